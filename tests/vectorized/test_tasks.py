"""Stacks of classifiers of other tasks: each run is the run alone."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from conftest import plan_run
from run_files import arrays, result_of, steady

from lossbench.job.start import start
from lossbench.launch.progress import SweepProgress
from lossbench.rundir.directory import RunDirectory
from lossbench.rundir.flatten import flatten
from lossbench.vectorized.launch.stacks import run_stacked

SHORT = ("model=linear", "trainer=cpu", "trainer.max_steps=12", "figures=false", "log_every_n_steps=4")
LABELS = ("data=toy_labels", "data.n=96", "data.batch_size=32", *SHORT)
ORDERED = ("data=toy_ordinal", "data.n=96", "data.batch_size=32", *SHORT)


def stacked(root: Path, losses: Sequence[str], units: Sequence[str], *words: str) -> list[RunDirectory]:
    runs = [plan_run(root, *words, *loss.split(), unit) for loss in losses for unit in units]
    progress = SweepProgress({run: run.path.name for run in runs}, runs, "test/accuracy")
    run_stacked(runs, progress)
    assert not progress.failed
    return runs


def assert_alone(alone: RunDirectory, run: RunDirectory) -> None:
    start(alone)
    ours, theirs = result_of(run), result_of(alone)
    assert ours.engine == "vectorized"
    assert (ours.n, ours.steps, ours.facts["task"]) == (theirs.n, theirs.steps, theirs.facts["task"])
    assert (ours.scale is None) == (theirs.scale is None)
    assert ours.metrics == pytest.approx(theirs.metrics, abs=2e-4)
    assert flatten(ours.facts["last_and_best"]) == pytest.approx(flatten(theirs.facts["last_and_best"]), abs=2e-4)
    mine, its = arrays(run), arrays(alone)
    for split in ("val", "test"):
        assert np.array_equal(mine[f"{split}_targets"], its[f"{split}_targets"])
        np.testing.assert_allclose(mine[f"{split}_outputs"], its[f"{split}_outputs"], atol=1e-4)
    assert [line.split(",")[:3] for line in steady(run)] == [line.split(",")[:3] for line in steady(alone)]


@pytest.mark.parametrize(
    ("words", "losses"),
    [
        (LABELS, ("loss=bce", "loss=asymmetric", "loss=asymmetric loss.margin=0", "loss=bce loss.weight=[1,2,3,4]")),
        ((*LABELS, "data.batch_size=96", "evaluate=best"), ("loss=bce", "loss=sigmoid_focal")),
        (ORDERED, ("loss=cross_entropy", "loss=squared_emd")),
        ((*ORDERED, "evaluate=best"), ("loss=coral",)),
        ((*ORDERED, "data.ordered=[highest,high,middle,low,lowest]"), ("loss=corn", "loss=corn optimizer.lr=0.01")),
    ],
    ids=["labels", "labels, full batches", "ordered", "coral", "corn, another order"],
)
@pytest.mark.parametrize("units", [("replicate=0", "replicate=3"), ("seed=0", "seed=1")], ids=["replicates", "seeds"])
def test_every_run_of_a_stack_is_the_run_alone(
    tmp_path: Path, words: tuple[str, ...], losses: tuple[str, ...], units: tuple[str, ...]
) -> None:
    runs = stacked(tmp_path / "stack", losses, units, *words)
    assert {result_of(run).stacked_runs for run in runs} == {len(losses) * len(units)}
    for k in (1, len(runs) - 2):
        loss, unit = losses[k // len(units)], units[k % len(units)]
        assert_alone(plan_run(tmp_path / "alone", *words, *loss.split(), unit), runs[k])


@pytest.mark.parametrize(
    ("data", "losses", "metric", "least"),
    [
        ("toy_ordinal", ("cross_entropy", "squared_emd"), "quadratic_kappa", 0.75),
        ("toy_ordinal", ("coral",), "quadratic_kappa", 0.75),
        ("toy_ordinal", ("corn",), "quadratic_kappa", 0.75),
        ("toy_labels", ("bce", "asymmetric", "sigmoid_focal"), "mean_average_precision", 0.72),
    ],
)
def test_the_losses_of_a_task_learn_its_toy(
    tmp_path: Path, data: str, losses: tuple[str, ...], metric: str, least: float
) -> None:
    words = (f"data={data}", "trainer=cpu", "figures=false")
    for run in stacked(tmp_path, [f"loss={loss}" for loss in losses], ("seed=0",), *words):
        metrics = result_of(run).metrics
        assert metrics[f"test/{metric}"] > least
        assert metrics.get("test/mae", 0.0) < 0.62
