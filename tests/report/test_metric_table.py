"""The metrics beside the compared one: all losses and metrics are one family."""

from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_runs import compare_runs, make_arm, make_run

from lossbench.report.metric_table import judge_metrics, metric_table, other_metrics
from lossbench.rundir.arrays import StoredArrays, open_arrays

BASE = [0.80, 0.82, 0.84, 0.86, 0.88, 0.90, 0.81, 0.83]
NOISE = [0.001, 0.002, 0.0005, 0.0015, 0.001, 0.002, 0.0005, 0.001]


@pytest.fixture
def study(tmp_path: Path) -> Path:
    make_arm(tmp_path / "study", "cross_entropy", BASE)
    make_arm(tmp_path / "study", "power", [score + 0.02 + noise for score, noise in zip(BASE, NOISE, strict=True)])
    for seed, score in enumerate(BASE):
        worse = {"test/nll_scaled": 2 * (1 - score) + NOISE[seed], "test/balanced_accuracy": score}
        make_run(tmp_path / "study", "inverse", seed, accuracy=score, metrics=worse)
    return tmp_path / "study"


def test_a_row_says_who_wins_at_what_with_differences_turned(study: Path) -> None:
    table = metric_table(compare_runs(study))
    assert table is not None
    assert table.columns == [
        "loss",
        "balanced_accuracy (%)\nhigher is better",
        "nll_scaled (nats)\nlower is better",
        "ece_scaled\nlower is better",
    ]
    rows = {row[0]: row[1:] for row in table.rows}
    base, noise = np.mean(BASE), np.mean(NOISE)
    assert rows["cross_entropy"][0] == f"{100 * base:.2f}"
    assert rows["power"][0] == f"{100 * (base + 0.02 + noise):.2f}\n▲ {100 * (0.02 + noise):+.2f}"
    assert rows["power"][1].endswith(f"▲ {1.8 * (0.02 + noise):+.4f}")  # a lower nll is better
    assert rows["inverse"][1].endswith(f"▼ {-(0.2 * (1 - base) + noise):+.4f}")
    assert rows["inverse"][0].endswith("○ +0.00")
    assert table.note.startswith(
        "power is better than cross_entropy at balanced_accuracy; power is better than cross_entropy at nll_scaled; "
        "inverse is worse than cross_entropy at nll_scaled; power is better than cross_entropy at ece_scaled. "
    )
    assert "corrected for 6 comparisons" in table.note
    number = next(row for row in table.numbers if (row["arm"], row["metric"]) == ("inverse", "test/nll_scaled"))
    assert (number["n"], number["difference_verdict"]) == (8, "worse")


def test_p_is_corrected_for_metrics_planned_losses_and_looks(study: Path) -> None:
    for seed, score in enumerate(BASE):
        nll = 1.8 * (1 - score) + 0.001 * (1, 3, 2, -0.5, 2, 1, 3, -1)[seed]
        make_run(study, "cosine", seed, accuracy=score, metrics={"test/nll_scaled": nll})
    comparison = compare_runs(study)
    names = other_metrics(comparison)

    def p_of_nll(changed: object) -> float:
        found = judge_metrics(changed, names, comparison.arms)  # pyright: ignore[reportArgumentType]
        return next(each for each in found if each.name == "test/nll_scaled").pairs["cosine"].p_adjusted

    alone = judge_metrics(comparison, ["test/nll_scaled"], comparison.arms)[0].pairs["cosine"].p_adjusted
    planned = replace(comparison, family=40)
    later = {label: replace(pair, look=2) for label, pair in comparison.paired.items()}
    assert alone < p_of_nll(comparison) < p_of_nll(planned)
    assert p_of_nll(comparison) < p_of_nll(replace(comparison, paired=later))


def test_the_predictions_of_a_run_are_read_once_for_all_metrics(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names, right = ["test/accuracy", "test/error_rate"], [True, True, False, True]
    runs = make_arm(tmp_path, "cross_entropy", [0.75] * 3, right=right)
    runs += make_arm(tmp_path, "power", [0.75] * 3, right=right)
    comparison = compare_runs(tmp_path)
    opened: list[Path] = []

    def counted(path: Path, way_out: str) -> AbstractContextManager[StoredArrays]:
        opened.append(path)
        return open_arrays(path, way_out)

    monkeypatch.setattr("lossbench.report.examples.open_arrays", counted)
    judge_metrics(comparison, names, comparison.arms)
    assert sorted(opened) == sorted(run / "predictions.npz" for run in runs)


def test_nothing_is_judged_while_runs_are_to_be_done_or_without_a_baseline(study: Path) -> None:
    make_run(study, "power", 20, state="running")
    table = metric_table(compare_runs(study))
    assert table is not None
    assert not [cell for row in table.rows for cell in row if "\n" in cell]
    assert table.note == "Means; nothing is tested."
    alone = metric_table(compare_runs(*study.glob("*-power-*/seed?")))
    assert alone is not None
    assert (len(alone.rows), alone.note) == (1, "Means; nothing is tested.")


def test_metrics_that_a_run_lacks_are_left_out_and_other_tasks_have_their_own(study: Path, tmp_path: Path) -> None:
    make_run(study, "power", 20, metrics={"test/ece_scaled": None})
    assert other_metrics(compare_runs(study)) == ["test/balanced_accuracy", "test/nll_scaled"]
    assert other_metrics(compare_runs(study, metric="test/balanced_accuracy"))[0] == "test/accuracy"
    of_classes = ("accuracy", "balanced_accuracy", "nll_scaled", "ece_scaled", "brier", "ece", "nll")
    for seed in range(2):
        measured = {**{f"test/{name}": None for name in of_classes}, "test/mae": 0.1, "test/rmse": 0.2, "test/r2": 0.9}
        make_run(tmp_path / "numbers", "cross_entropy", seed, metrics=measured)
    names = other_metrics(compare_runs(tmp_path / "numbers", metric="test/mae"))
    assert "test/rmse" in names
    assert "test/mae" not in names
