"""Runs trained in stacks and one by one, in this process."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import plan_run
from run_files import arrays, result_of, steady

from lossbench.errors import Stopped
from lossbench.job.start import start
from lossbench.launch.progress import SweepProgress
from lossbench.rundir.directory import RunDirectory
from lossbench.rundir.flatten import flatten
from lossbench.training.assemble import assemble
from lossbench.vectorized.checkpoint import save_stack
from lossbench.vectorized.launch.stacks import run_stacked
from lossbench.vectorized.shared import Shared
from lossbench.vectorized.train import StackedRuns


def planned(root: Path, losses: Sequence[str], units: Sequence[str], *words: str) -> list[RunDirectory]:
    """Plan a run of each loss, with its settings, and each seed or replicate."""
    return [plan_run(root, *words, *f"loss={loss}".split(), unit) for loss in losses for unit in units]


def bring(runs: Sequence[RunDirectory]) -> None:
    """Bring planned runs to their results in stacks; each of them must be stacked."""
    progress = SweepProgress({run: run.path.name for run in runs}, runs, "test/accuracy")
    run_stacked(runs, progress)
    assert not progress.failed
    assert {result_of(run).engine for run in runs} == {"vectorized"}


def assert_as_alone(run: RunDirectory, alone: RunDirectory, close: float = 2e-4) -> None:
    """Train a run alone; the stacked one has the same examples, and the same numbers but for rounding."""
    start(alone)
    ours, theirs = result_of(run), result_of(alone)
    assert (ours.n, ours.steps, ours.data) == (theirs.n, theirs.steps, theirs.data)
    assert ours.metrics == pytest.approx(theirs.metrics, abs=close)
    for block in ("last_and_best", "memorisation"):
        found = flatten(theirs.facts.get(block, {}))
        assert flatten(ours.facts.get(block, {})) == pytest.approx(found, abs=close, nan_ok=True)
    assert_same_history(run, alone, close)
    mine, its = arrays(run), arrays(alone)
    for split in ("val", "test"):
        for name in ("ids", "targets"):
            assert np.array_equal(mine[f"{split}_{name}"], its[f"{split}_{name}"]), (split, name)
        np.testing.assert_allclose(mine[f"{split}_outputs"], its[f"{split}_outputs"], atol=10 * close)


def assert_same_history(run: RunDirectory, alone: RunDirectory, close: float) -> None:
    """The rows of metrics.csv are the same, the numbers but for rounding."""
    ours, theirs = ([line.rsplit(",", 1) for line in steady(each)] for each in (run, alone))
    assert [place for place, _ in ours] == [place for place, _ in theirs]
    for (place, mine), (_, its) in zip(ours[1:], theirs[1:], strict=True):
        assert float(mine) == pytest.approx(float(its), abs=close, rel=close), place


def interrupt(runs: Sequence[RunDirectory], step: int) -> None:
    """Train runs in one stack until a step, and save it."""
    stacked = StackedRuns([run.config for run in runs], Shared(assemble(runs[0].config)), torch.device("cpu"))

    def stop() -> None:
        if stacked.stack.step == step:
            save_stack(runs, stacked)
            raise Stopped("SIGTERM")

    with pytest.raises(Stopped):
        stacked.train(stop, lambda: None, lambda _: None)
