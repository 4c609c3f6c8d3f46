"""The same runs in a stack and alone, in this process."""

import csv
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from conftest import plan_run
from run_files import arrays, assert_same, result_of

from lossbench.errors import Stopped
from lossbench.job.start import start
from lossbench.launch.progress import SweepProgress
from lossbench.rundir.directory import RunDirectory
from lossbench.training.assemble import assemble
from lossbench.vectorized.checkpoint import save_stack
from lossbench.vectorized.launch.divide import in_order
from lossbench.vectorized.launch.stacks import run_stacked
from lossbench.vectorized.shared import Shared
from lossbench.vectorized.train import StackedRuns

Words = Sequence[str]


def planned(root: Path, each: Sequence[Words]) -> list[RunDirectory]:
    """Plan runs, those of one kind of loss side by side."""
    runs = [plan_run(root, "trainer=cpu", "figures=false", *words) for words in each]
    return [runs[k] for k in in_order([run.config for run in runs])]


def stacked(runs: Sequence[RunDirectory]) -> SweepProgress:
    """Bring planned runs to their results in stacks."""
    progress = SweepProgress({run: run.path.name for run in runs}, runs, "test/accuracy")
    run_stacked(runs, progress)
    return progress


def both(root: Path, each: Sequence[Words]) -> list[tuple[RunDirectory, RunDirectory]]:
    """Train runs in one stack, and each alone."""
    together, alone = planned(root / "stack", each), planned(root / "alone", each)
    stacked(together)
    assert {result_of(run).stacked_runs for run in together} == {len(each)}
    for run in alone:
        start(run)
    return list(zip(together, alone, strict=True))


def assert_alone(ours: RunDirectory, theirs: RunDirectory) -> None:
    """A stacked run leaves what it leaves alone, but for rounding."""
    mine, its = result_of(ours), result_of(theirs)
    assert (mine.steps, mine.epochs, mine.n) == (its.steps, its.epochs, its.n)
    assert mine.metrics == pytest.approx(its.metrics, abs=2e-4)
    _assert_same_history(ours, theirs)
    for which in ("last", "best"):
        one, other = (torch.load(run.checkpoint(which), weights_only=True) for run in (ours, theirs))
        assert [one[name] for name in ("global_step", "epoch", "should_stop")] == [
            other[name] for name in ("global_step", "epoch", "should_stop")
        ]
        torch.testing.assert_close(one["state_dict"], other["state_dict"], rtol=0, atol=1e-4)
    assert {path.name for path in ours.path.iterdir()} == {path.name for path in theirs.path.iterdir()}


def _assert_same_history(ours: RunDirectory, theirs: RunDirectory) -> None:
    mine, its = (_history(run) for run in (ours, theirs))
    assert [row[:3] for row in mine] == [row[:3] for row in its]
    for (*where, value), (*_, other) in zip(mine, its, strict=True):
        if where[2] != "train/steps_per_second":
            assert value == pytest.approx(other, abs=2e-4), where


def _history(run: RunDirectory) -> list[tuple[str, str, str, float]]:
    with open(run.metrics_path, newline="") as file:
        return [(row["step"], row["epoch"], row["name"], float(row["value"])) for row in csv.DictReader(file)]


def assert_resumes(root: Path, each: Sequence[Words], step: int, left: int | None = None) -> None:
    """A stack that is stopped after a step, when so many runs are left in it, ends bit for bit as if it were not."""
    whole, again = planned(root / "whole", each), planned(root / "again", each)
    stacked(whole)
    assert interrupted(again, step) == (left or len(each))
    stacked(again)
    for ours, theirs in zip(again, whole, strict=True):
        assert result_of(ours).resumed_at == min(step, result_of(ours).steps)
        assert_same(ours, theirs)
        assert all((array == arrays(theirs)[name]).all() for name, array in arrays(ours).items())


def interrupted(runs: Sequence[RunDirectory], step: int) -> int:
    """Train a stack up to a step and save it; give how many runs are left in it."""
    stack = StackedRuns([run.config for run in runs], Shared(assemble(runs[0].config)), torch.device("cpu"))

    def stop() -> None:
        if stack.stack.step == step:
            save_stack(runs, stack)
            raise Stopped("SIGTERM")

    with pytest.raises(Stopped):
        stack.train(stop, lambda: None, lambda steps: None)
    return len(stack.stack)
