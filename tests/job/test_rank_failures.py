"""Which process of a distributed run failed first, as status.json says it."""

import json
import time
from collections.abc import Callable

import pytest

from lossbench.errors import Stopped, UserError
from lossbench.job import rank_failures
from lossbench.job.rank_failures import first_rank_failure
from lossbench.job.status import recorded_rank_status, recorded_status
from lossbench.rundir.directory import RunDirectory

TWO = ("data=digits", "trainer=ddp_cpu")
FIRST = "rank 1 on n2: RuntimeError: the cat"
Planned = Callable[..., RunDirectory]


@pytest.fixture(autouse=True)
def one_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOSSBENCH_ATTEMPT", "this one")
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    monkeypatch.setattr(rank_failures, "SETTLE_SECONDS", 0.3)


def fail_as(run: RunDirectory, monkeypatch: pytest.MonkeyPatch, error: BaseException, rank: int = 1) -> None:
    """Fail as the process of this rank does."""
    with monkeypatch.context() as inside:
        inside.setenv("LOCAL_RANK", str(rank))
        inside.setenv("SLURMD_NODENAME", "n2")
        with pytest.raises(type(error)), recorded_rank_status(run):
            raise error


def test_the_process_that_failed_first_is_named(planned: Planned, monkeypatch: pytest.MonkeyPatch) -> None:
    run = planned(*TWO)
    fail_as(run, monkeypatch, RuntimeError("the cat"))
    time.sleep(0.01)
    fail_as(run, monkeypatch, UserError("the dog"), rank=2)
    assert first_rank_failure(run) == FIRST
    with pytest.raises(UserError, match=f"^{FIRST}$"), recorded_status(run):
        raise RuntimeError("[gloo] Connection closed by peer")
    assert run.status["reason"] == FIRST
    with pytest.raises(Stopped), recorded_status(run):  # the failure of a rank may end rank 0 by a signal
        raise Stopped("SIGTERM")
    assert (run.status["status"], run.status["reason"]) == ("failed", FIRST)


def test_a_lost_peer_and_a_file_of_an_earlier_attempt_are_no_failure_of_this_one(
    planned: Planned, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = planned(*TWO)
    fail_as(run, monkeypatch, RuntimeError("NCCL communicator was aborted"))
    assert first_rank_failure(run) is None
    earlier = {"attempt": "an earlier one", "time": 0, "reason": "long ago"}
    (run.path / "failed.rank1.json").write_text(json.dumps(earlier))
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
