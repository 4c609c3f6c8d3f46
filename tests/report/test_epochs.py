"""The last epoch beside the best by validation, and how well labels were fitted, in a report."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_runs import change, find_in, make_run

from lossbench.report import figure_data
from lossbench.report.caveats.epochs import about_epochs
from lossbench.report.epochs import epochs_table
from lossbench.report.figures import fitted_labels

SHARES = [(16, 0.1), (32, 0.5), (48, 0.9)]


def block(last: float, best: float, epoch: int) -> dict[str, Any]:
    return {
        "metric": "accuracy",
        "last": {"step": 480, "epoch": 29, "val": 0.6, "test": last},
        "best": {"step": 16 * (epoch + 1), "epoch": epoch, "val": 0.8, "test": best},
    }


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Cross-entropy loses 20 and 22 points after its best epoch, power nothing; labels were made wrong."""
    for seed, best in enumerate((0.8, 0.82)):
        fitted = {"fitted_clean": 0.99, "fitted_flipped": 0.9 + 0.02 * seed}
        facts = {"last_and_best": block(0.6, best, 5 + seed), "memorisation": fitted}
        history: dict[str, Any] = {"val/accuracy": [(16, 0.5), (480, 0.6)], "train/fitted_flipped": SHARES}
        make_run(tmp_path / "study", "cross_entropy", seed, accuracy=0.6, result=facts, history=history)
        shares = [(16, 0.2), (32, float("nan")), (48, 0.3)]  # an epoch without wrong labels
        history = {**history, "train/fitted_flipped": SHARES if seed else shares}
        facts = {"last_and_best": block(0.79, 0.79, 20), "memorisation": {"fitted_flipped": 0.1}}
        make_run(tmp_path / "study", "power", seed, accuracy=0.79 + seed / 1000, result=facts, history=history)
    return tmp_path / "study"


def test_each_loss_has_a_row_with_both_epochs_and_their_difference(study: Path) -> None:
    table = epochs_table(find_in(study).comparison)
    assert table is not None
    by_loss = {row["arm"]: row for row in table.numbers}
    found = by_loss["cross_entropy"]
    assert (found["n"], found["best_epoch"]) == (2, 6.5)
    assert [found[name] for name in ("last", "best", "difference_mean")] == pytest.approx([0.6, 0.81, 0.21])
    assert found["difference_low"] < 0.21 < found["difference_high"]
    assert by_loss["power"]["difference_mean"] == 0
    row = next(row for row in table.rows if row[0] == "cross_entropy")
    assert row[:5] == ["cross_entropy", "2", "6.5", "60.00", "81.00"]
    assert row[5].startswith("+21.00\n")
    assert row[6:] == ["99.0", "91.0"]


def test_only_losses_that_are_a_point_apart_are_warned_of(study: Path) -> None:
    (said,) = about_epochs(find_in(study))
    assert "cross_entropy (+21.00 points)" in said
    assert "power" not in said
    for path in study.glob("*/*/result.json"):
        change(path, last_and_best=block(0.6, 0.605, 5))
    assert [*about_epochs(find_in(study))] == []


def test_curves_of_fitted_labels_leave_out_epochs_without_any(study: Path) -> None:
    findings = find_in(study)
    curves = figure_data.fitted(findings, "fitted_flipped")
    assert curves["cross_entropy"].steps.tolist() == [1, 2, 3]
    np.testing.assert_allclose(curves["cross_entropy"].mean, [10, 50, 90])
    assert curves["power"].steps.tolist() == [1, 3]  # those that both runs have
    np.testing.assert_allclose(curves["power"].mean, [15, 60])
    assert [drawing.subject for drawing in fitted_labels(findings)] == ["fitted_flipped"]


def test_runs_without_changed_labels_have_neither(tmp_path: Path) -> None:
    make_run(tmp_path / "study")
    findings = find_in(tmp_path / "study")
    assert epochs_table(findings.comparison) is None
    assert [*about_epochs(findings)] == []
    assert [*fitted_labels(findings)] == []
