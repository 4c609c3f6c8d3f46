"""Early stopping in a stack: each run ends where it ends alone, and the others go on."""

from pathlib import Path
from typing import Any

import pytest
import torch
from pytorch_lightning.callbacks import EarlyStopping
from run_files import result_of
from stacked_pairs import assert_alone, assert_resumes, both, planned, stacked

from lossbench.vectorized import train
from lossbench.vectorized.stopping import EarlyStops

DIGITS = ("data=digits", "model=linear", "data.images_per_class=30", "optimizer=sgd", "callbacks=early_stopping")
STOPS = (*DIGITS, "callbacks.early_stopping.patience=1", "trainer.max_epochs=7", "log_every_n_steps=3")
EACH = [
    (*STOPS, f"loss={loss}", f"optimizer.lr={lr}", f"replicate={replicate}")
    for loss in ("cross_entropy", "power")
    for lr in (0.001, 3.0)
    for replicate in (0, 1)
]


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"mode": "max", "patience": 2, "min_delta": 0.2},
        {"stopping_threshold": -0.5, "divergence_threshold": 1.0, "patience": 5},
        {"check_finite": False, "patience": 4},
    ],
)
def test_a_stack_stops_its_runs_as_lightning_stops_each(settings: dict[str, Any]) -> None:
    torch.manual_seed(0)
    values = torch.randn(40, 12, dtype=torch.float64)
    values[values > 2] = torch.nan
    together = EarlyStops(EarlyStopping("val/nll", **settings), 12)
    alone = [EarlyStopping("val/nll", **settings) for _ in range(12)]
    ended = torch.zeros(12, dtype=torch.bool)
    for row in values:
        train_on = (~ended).nonzero()[:, 0]
        together.compare(train_on, {"val/nll": row[train_on]})
        for k in train_on.tolist():
            ended[k], _ = alone[k]._evaluate_stopping_criteria(torch.tensor(row[k].item()))
        assert together.stopped.tolist() == ended.tolist()
    assert ended.sum() > 2
    assert together.waited.tolist() == [each.wait_count for each in alone]
    assert together.best.tolist() == [float(each.best_score) for each in alone]


def test_runs_that_stop_leave_what_they_leave_alone(tmp_path: Path) -> None:
    pairs = both(tmp_path, EACH)
    steps = [result_of(ours).steps for ours, _ in pairs]
    assert len(set(steps)) >= 3, steps
    for ours, theirs in pairs:
        assert_alone(ours, theirs)


def test_a_stack_that_some_runs_have_left_ends_bit_for_bit_the_same(tmp_path: Path) -> None:
    assert_resumes(tmp_path, EACH, step=26, left=5)  # of which one has ended


def test_a_run_that_explodes_leaves_the_others_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes, step = list[int](), train.StackedRuns._step

    def counted(runs: train.StackedRuns) -> None:
        sizes.append(len(runs.stack))
        step(runs)

    monkeypatch.setattr(train.StackedRuns, "_step", counted)
    words = (*DIGITS[:-1], "trainer.max_epochs=3")
    each = [(*words, f"optimizer.lr={lr}", f"seed={seed}") for lr in (0.1, 1e38) for seed in range(2)]
    runs = planned(tmp_path, each)
    progress = stacked(runs)
    assert sorted({*sizes}) == [2, 4]
    assert {run.config.optimizer.lr for run in progress.failed} == {1e38}
    assert {run.status["status"] for run in runs if run.config.optimizer.lr == 0.1} == {"done"}
