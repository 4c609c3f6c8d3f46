"""How a run ends, of all its processes."""

import json
import time
from collections.abc import Callable

import pytest

from lossbench.errors import Stopped, UserError
from lossbench.job import status as module
from lossbench.job.status import blame, code_of, recorded_rank_status, recorded_status
from lossbench.rundir.directory import RunDirectory

TWO = ("data=digits", "trainer=ddp_cpu")
Planned = Callable[..., RunDirectory]


@pytest.fixture(autouse=True)
def one_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOSSBENCH_ATTEMPT", "this one")
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    monkeypatch.setattr(module, "SETTLE_SECONDS", 0.3)


def helper(run: RunDirectory, monkeypatch: pytest.MonkeyPatch, error: BaseException, number: int = 1) -> None:
    """What a process with this rank does that fails."""
    with monkeypatch.context() as inside:
        inside.setenv("LOCAL_RANK", str(number))
        inside.setenv("SLURMD_NODENAME", "n2")
        with pytest.raises(type(error)), recorded_rank_status(run):
            raise error


def test_the_process_that_failed_first_is_blamed(planned: Planned, monkeypatch: pytest.MonkeyPatch) -> None:
    run = planned(*TWO)
    helper(run, monkeypatch, RuntimeError("the cat"))
    time.sleep(0.01)
    helper(run, monkeypatch, UserError("the dog"), 2)
    assert blame(run) == "rank 1 on n2: RuntimeError: the cat"
    with pytest.raises(UserError, match=r"^rank 1 on n2: RuntimeError: the cat$"), recorded_status(run):
        raise RuntimeError("[gloo] Connection closed by peer")
    assert run.status["reason"] == "rank 1 on n2: RuntimeError: the cat"
    with pytest.raises(Stopped), recorded_status(run):  # what ends the others may end the first one by a signal
        raise Stopped("SIGTERM")
    assert (run.status["status"], run.status["reason"]) == ("failed", "rank 1 on n2: RuntimeError: the cat")


def test_an_echo_and_a_word_of_an_earlier_attempt_are_nobodys_fault(
    planned: Planned, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = planned(*TWO)
    helper(run, monkeypatch, RuntimeError("NCCL communicator was aborted"))
    assert blame(run) is None
    (run.path / "failed.rank1.json").write_text(
        json.dumps({"attempt": "an earlier one", "time": 0, "reason": "long ago"})
    )
    monkeypatch.setenv("SLURMD_NODENAME", "n1")
    with pytest.raises(ValueError, match="my own"), recorded_status(run):
        raise ValueError("my own")
    assert run.status["reason"] == "rank 0 on n1: ValueError: my own"
    with recorded_status(run):
        pass
    assert run.status["status"] == "done"
    assert not list(run.path.glob("failed.*"))


def test_a_run_of_one_process_names_no_rank(planned: Planned) -> None:
    run = planned("data=digits")
    with pytest.raises(ValueError, match="mine"), recorded_status(run):
        raise ValueError("mine")
    assert run.status["reason"] == "ValueError: mine"


def test_what_changed_while_a_run_was_interrupted_is_kept(planned: Planned, monkeypatch: pytest.MonkeyPatch) -> None:
    run = planned("data=digits")
    monkeypatch.setattr(
        module, "asked_now", lambda: {"versions": {"torch": "2.15.0"}, "git": {"commit": "a", "dirty": False}}
    )
    run.checkpoint("last").parent.mkdir()
    with pytest.raises(Stopped), recorded_status(run):
        raise Stopped("SIGTERM")
    run.checkpoint("last").touch()
    assert code_of(run)["changed_on_resume"] == []
    monkeypatch.setattr(
        module, "asked_now", lambda: {"versions": {"torch": "2.16.0"}, "git": {"commit": "b", "dirty": False}}
    )
    with recorded_status(run):
        pass
    wanted = {"versions.torch": ["2.15.0", "2.16.0"], "git.commit": ["a", "b"]}
    assert run.status["changed_on_resume"] == [wanted]
