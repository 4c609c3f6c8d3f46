"""What status.json says of the code that runs a run."""

from collections.abc import Callable

import pytest

from lossbench.errors import Stopped, UserError
from lossbench.job import status as module
from lossbench.job.status import code_of, recorded_status
from lossbench.rundir.directory import RunDirectory


def made_with(torch: str, commit: str) -> dict[str, dict[str, object]]:
    return {"versions": {"torch": torch}, "git": {"commit": commit, "dirty": False}}


def test_what_changed_while_a_run_was_interrupted_is_kept(
    planned: Callable[..., RunDirectory], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = planned("data=digits")
    monkeypatch.setattr(module, "code_state", lambda: made_with("2.15.0", "a"))
    run.checkpoint("last").parent.mkdir()
    with pytest.raises(Stopped), recorded_status(run):
        raise Stopped("SIGTERM")
    run.checkpoint("last").touch()
    assert code_of(run)["changed_on_resume"] == []
    monkeypatch.setattr(module, "code_state", lambda: made_with("2.16.0", "b"))
    with recorded_status(run):
        pass
    wanted = {"versions.torch": ["2.15.0", "2.16.0"], "git.commit": ["a", "b"]}
    assert run.status["changed_on_resume"] == [wanted]


def test_an_error_for_want_of_memory_names_memory_and_what_to_change(planned: Callable[..., RunDirectory]) -> None:
    run = planned("data=digits", "data.batch_size=64")
    allocation = RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 2000000000 bytes.")
    with pytest.raises(UserError) as raised, recorded_status(run):
        raise UserError("last.ckpt is refused: it is damaged") from allocation
    assert str(raised.value).startswith("out of memory (2 GB more could not be had): take a smaller data.batch_size")
    assert "(now 64)" in str(raised.value)
    assert run.status["reason"] == str(raised.value)
    with pytest.raises(RuntimeError, match="a cat"), recorded_status(run):
        raise RuntimeError("a cat is out of the bag")
    gpu = RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 8 GiB")
    for words, advice in (((), "(now 1), trainer.precision=bf16-mixed, a"), (("data.cache=gpu",), "data.cache=disk")):
        run = planned("data=fake_images", "trainer.accumulate_grad_batches=1", *words)
        with pytest.raises(UserError, match="out of GPU memory") as raised, recorded_status(run):
            raise gpu
        assert "(2.00 GiB more could not be had): take more trainer.accumulate_grad_batches" in str(raised.value)
        assert advice in str(raised.value)


@pytest.mark.parametrize(
    ("stopped", "saved", "status", "reason"),
    [
        (
            Stopped("SIGINT", "step 5 of 9"),
            True,
            "cancelled",
            "stopped at step 5 of 9 (SIGINT); the same command goes on from there",
        ),
        (Stopped("SIGTERM"), True, "preempted", "stopped (SIGTERM); the same command goes on from the last checkpoint"),
        (
            Stopped("SIGHUP"),
            False,
            "preempted",
            "stopped (SIGHUP); nothing was saved yet, the same command starts from the beginning",
        ),
    ],
)
def test_a_stop_promises_only_what_is_there(
    planned: Callable[..., RunDirectory], stopped: Stopped, saved: bool, status: str, reason: str
) -> None:
    run = planned("data=digits")
    if saved:
        run.checkpoint("last").parent.mkdir()
        run.checkpoint("last").touch()
    with pytest.raises(Stopped), recorded_status(run):
        raise stopped
    assert (run.status["status"], run.status["reason"], stopped.line) == (status, reason, reason)
