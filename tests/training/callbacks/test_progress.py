"""How far a run is while it trains: in progress.json, and in lines where there is no bar."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lossbench.job.start import bring_to_result
from lossbench.launch.progress import SweepProgress
from lossbench.rundir import progress_file
from lossbench.rundir.directory import RunDirectory
from lossbench.rundir.progress import RunProgress, progress_of
from lossbench.rundir.progress_file import ProgressFile
from lossbench.training.callbacks import progress as callbacks
from lossbench.vectorized.launch.stacks import run_stacked

SMALL = ("data=toy", "trainer=cpu", "trainer.max_steps=12", "data.steps_per_epoch=5", "figures=false")


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[dict[Path, RunProgress]]:
    """What another process reads whenever a file is written, which is after every step."""
    write, found = ProgressFile.write, list[dict[Path, RunProgress]]()

    def write_and_read(self: ProgressFile, step: int) -> None:
        write(self, step)
        studies = {path.parents[2] if path.name == "progress.json" else path.parents[1] for path in self.files}
        found.append(progress_of(path.parent for study in studies for path in study.glob("*/*/config.yaml")))

    monkeypatch.setattr(ProgressFile, "write", write_and_read)
    monkeypatch.setattr(progress_file, "EVERY_SECONDS", 0.0)
    return found


def places(seen: list[dict[Path, RunProgress]]) -> list[tuple[int, int, int, int]]:
    """The distinct step, steps, epoch and epochs of all runs at each writing."""
    each = [{(one.step, one.steps, one.epoch, one.epochs) for one in found.values()} for found in seen]
    assert all(len(found) == 1 for found in each)
    return [found.pop() for found in each]


WHOLE = [(step, 12, min((step // 5) + 1, 3), 3) for step in range(1, 13)]


def test_a_run_says_its_step_and_leaves_nothing(
    planned: Callable[..., RunDirectory],
    seen: list[dict[Path, RunProgress]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(callbacks, "LINE_SECONDS", 0.0)
    run = planned(*SMALL, "progress_bar=false")
    (run.path / "progress.json").write_text("left by a process that was killed")
    bring_to_result(run)
    assert places(seen) == WHOLE
    printed = [line for line in capsys.readouterr().out.splitlines() if line.startswith("step ")]
    assert len(printed) == 12
    assert printed[4].startswith("step 5 of 12, epoch 2 of 3, about ")
    assert not (run.path / "progress.json").exists()


def test_the_runs_of_a_stack_say_its_step_in_each_study_and_leave_nothing(
    planned: Callable[..., RunDirectory], seen: list[dict[Path, RunProgress]]
) -> None:
    runs = [planned(*SMALL, f"seed={seed}", f"study={study}") for seed in range(2) for study in ("one", "two")]
    progress = SweepProgress(dict.fromkeys(runs, ""), runs, "test/accuracy")
    run_stacked(runs, progress)
    assert progress.done == 4
    assert places(seen) == WHOLE
    assert {path for found in seen for path in found} == {run.path for run in runs}
    assert not [path for run in runs for path in run.path.parents[1].glob(".stacks/*")]


def test_short_runs_write_nothing(planned: Callable[..., RunDirectory], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ProgressFile, "write", lambda *_: pytest.fail("written"))
    bring_to_result(planned(*SMALL))
