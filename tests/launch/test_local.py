"""Runs one after another in one process."""

import gc
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from weakref import ReferenceType, ref

import pytest

from lossbench.errors import Stopped
from lossbench.launch.local import run_here
from lossbench.launch.progress import SweepProgress
from lossbench.rundir.directory import RunDirectory
from lossbench.rundir.result import Result


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[ReferenceType[Any]]]:
    """Weak references to each run's model, task and trainer; Python's own collector, which may come late, is off."""
    from lossbench.training import fit

    seen: list[ReferenceType[Any]] = []

    def remembered(make: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*words: Any, **settings: Any) -> Any:
            found = make(*words, **settings)
            seen.append(ref(found))
            seen.extend(ref(parameter) for parameter in getattr(found, "parameters", list)())
            return found

        return noted

    for name in ("build_task", "make_trainer"):
        monkeypatch.setattr(fit, name, remembered(getattr(fit, name)))
    gc.disable()
    yield seen
    gc.enable()


def test_a_run_that_was_edited_since_it_was_planned_is_not_run(planned: Callable[..., RunDirectory]) -> None:
    run = planned("data=toy", "trainer=cpu", "trainer.max_steps=4")
    path = run.path / "config.yaml"
    path.write_text(path.read_text().replace("max_steps: 4", "max_steps: 5"))
    progress = SweepProgress({run: ""}, [run], "test/accuracy")
    run_here([run], progress)
    assert "does not belong to this directory" in progress.failed[run]


def out_of_memory(*_: Any) -> None:
    raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8000000000 bytes.")


@pytest.mark.parametrize("fails", [False, True])
def test_a_run_leaves_nothing_behind_for_the_next_one(
    planned: Callable[..., RunDirectory],
    made: list[ReferenceType[Any]],
    monkeypatch: pytest.MonkeyPatch,
    fails: bool,
) -> None:
    if fails:
        monkeypatch.setattr("lossbench.training.fit.judge", out_of_memory)
    words = ("data=toy", "trainer=cpu", "trainer.max_steps=4", "figures=false")
    runs = [planned(*words, f"seed={seed}") for seed in range(2)]
    progress = SweepProgress(dict.fromkeys(runs, ""), runs, "test/accuracy")
    run_here(runs[:1], progress)
    assert len(made) >= 3
    assert not any(found() for found in made)
    run_here(runs[1:], progress)
    assert not any(found() for found in made)
    assert (progress.done, len(progress.failed)) == ((0, 2) if fails else (2, 0))
    assert all(reason.startswith("out of memory (8 GB more") for reason in progress.failed.values())
    assert gc.get_freeze_count() == 0


def test_ctrl_c_while_a_result_is_written_leaves_a_done_run_that_is_counted(
    planned: Callable[..., RunDirectory], monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Result.write

    def write_and_interrupt(self: Result, path: Path) -> None:
        write(self, path)
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(Result, "write", write_and_interrupt)
    runs = [planned("data=toy", "trainer=cpu", "trainer.max_steps=4", f"seed={seed}") for seed in (0, 1)]
    progress = SweepProgress({run: str(run.path) for run in runs}, runs, "test/accuracy")
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # tests in the background have it ignored
    try:
        with pytest.raises(Stopped):
            run_here(runs, progress)
    finally:
        signal.signal(signal.SIGINT, before)
    assert [run.status["status"] for run in runs] == ["done", "planned"]
    assert progress.done == sum(run.result_path.exists() for run in runs) == 1


def test_a_run_that_exits_with_a_damaged_status_stops_no_other(
    planned: Callable[..., RunDirectory], monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [planned("data=toy", "trainer=cpu", f"seed={seed}") for seed in range(2)]

    def leave(run: RunDirectory) -> Result:
        (run.path / "status.json").write_text("{")
        raise SystemExit(7)

    monkeypatch.setattr("lossbench.launch.local.bring_to_result", leave)
    progress = SweepProgress(dict.fromkeys(runs, ""), runs, "test/accuracy")
    run_here(runs, progress)
    assert all(reason.startswith(f"{run.path}/status.json cannot be read (") for run, reason in progress.failed.items())
    assert list(progress.failed) == runs
