"""Diverged runs are outcomes: recognised by their mark, older ones by their reason."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_runs import change, compare_runs, make_arm, make_run, metrics_of, params_of, right_of

from lossbench.errors import UserError
from lossbench.report.outcomes import has_diverged
from lossbench.report.records import read_record
from lossbench.report.sentences import headline
from lossbench.rundir.files import write_yaml


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({"reason": "any words", "cause": "diverged"}, True),
        ({"reason": "the training loss became nan at or before step 40, epoch 2; the last good checkpoint"}, True),
        ({"reason": "the training loss is -inf at the first step, which the learning rate cannot"}, True),
        ({"reason": "the training state (weights, statistics) became nan or infinite at or before the last"}, True),
        ({"reason": "process 1 of 2: the training loss became inf at or before step 3"}, True),
        ({"reason": "RuntimeError: the cat sat on the keyboard"}, False),
        ({"reason": None}, False),
    ],
)
def test_what_became_nan_has_diverged_and_nothing_else(
    tmp_path: Path, status: dict[str, object], expected: bool
) -> None:
    assert has_diverged(read_record(make_run(tmp_path, state="failed", status=status))) is expected
    assert not has_diverged(read_record(make_run(tmp_path, seed=1, state="cancelled", status=status)))


BASE = [0.80, 0.82, 0.84, 0.86, 0.88, 0.90, 0.81, 0.83, 0.80, 0.82, 0.84, 0.86]


def diverging(study: Path, lost: int, *, gain: float = 0.05, predicted: bool = True) -> Path:
    """12 seeds of a loss that is better in all runs but the last ones, which diverge."""
    for seed, score in enumerate(BASE):
        right = right_of(score) if predicted else None
        make_run(study, "cross_entropy", seed, accuracy=score, right=right)
        if seed < 12 - lost:
            right = right_of(score + gain) if predicted else None
            make_run(study, "power", seed, accuracy=score + gain, right=right)
        else:
            make_run(study, "power", seed, state="failed", status={"cause": "diverged"})
    return study


@pytest.mark.parametrize("predicted", [True, False])
def test_four_of_twelve_runs_that_became_nan_are_never_better(tmp_path: Path, predicted: bool) -> None:
    found = compare_runs(diverging(tmp_path / "study", 4, predicted=predicted))
    pair = found.paired["power"]
    assert (pair.verdict, pair.n, pair.collapsed) == ("undecided", 12, 4)
    assert found.diverged == {"power": [8, 9, 10, 11]}
    assert found.scores["power"][8] == (0.5 if predicted else 0.1)  # the larger of two classes; 1 of 10 classes
    assert pair.better_in[0] == pytest.approx(8 / 12)
    said = headline(found)
    assert "Train with" not in said
    assert "power diverged in 4 of 12 runs." in said
    assert (found.without_examples is None) == predicted


def test_a_metric_without_a_chance_level_counts_as_the_worst_of_the_study(tmp_path: Path) -> None:
    found = compare_runs(diverging(tmp_path / "study", 1), metric="test/brier")
    assert found.scores["power"][11] == pytest.approx(max(1 - score for score in BASE))


def test_guessing_is_the_share_of_the_largest_class(tmp_path: Path) -> None:
    study = diverging(tmp_path / "study", 1)
    for path in study.glob("*/seed11/predictions.npz"):
        with np.load(path) as arrays:
            changed = dict(arrays)
        right = changed["test_outputs"].argmax(1) == changed["test_targets"]
        changed["test_targets"] = (np.arange(len(right)) >= 70).astype(int)
        changed["test_outputs"] = np.eye(2)[np.where(right, changed["test_targets"], 1 - changed["test_targets"])]
        np.savez(path, **changed)
    found = compare_runs(study)
    assert found.scores["power"][11] == pytest.approx(0.7)
    assert found.without_examples is None


def test_a_done_run_of_outputs_that_are_not_finite_has_diverged(tmp_path: Path) -> None:
    study = diverging(tmp_path / "study", 0)
    path = next(study.glob("*-power-*/seed3")) / "result.json"
    change(path, metrics=dict.fromkeys(("test/accuracy", "test/nll", "test/loss"), None))
    found = compare_runs(study)
    assert found.diverged == {"power": [3]}
    assert found.paired["power"].n == 12


def nested(flat: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in flat.items():
        *groups, name = key.split(".")
        place = found
        for group in groups:
            place = place.setdefault(group, {}) or place[group]
        place[name] = value
    return found


@pytest.mark.parametrize("epochs", [30, 7])
def test_settings_of_which_all_runs_diverged_have_a_row_if_they_can_be_compared(tmp_path: Path, epochs: int) -> None:
    study = diverging(tmp_path / "study", 0)
    for seed in range(12):
        run = make_run(study, "inverse", seed, state="failed", status={"cause": "diverged"})
        write_yaml(run / "config.yaml", nested(params_of("inverse", seed, "study", {"trainer.max_epochs": epochs})))
    found = compare_runs(study)
    if epochs == 7:
        assert [arm.label for arm in found.others] == ["power"]
        return
    assert [arm.label for arm in found.others] == ["power", "inverse"]
    assert found.paired["inverse"].verdict == "worse"
    assert (found.summaries["inverse"].mean, len(found.diverged["inverse"])) == (0.5, 12)
    assert "inverse diverged in 12 of 12 runs." in headline(found)


def test_collapsed_runs_are_found_and_count_as_they_are(tmp_path: Path) -> None:
    make_arm(tmp_path / "study", "cross_entropy", BASE)
    make_arm(tmp_path / "study", "power", [*BASE[:11], 0.2])
    found = compare_runs(tmp_path)
    assert found.collapsed == {"power": [11]}
    assert found.scores["power"][11] == 0.2
    assert "power collapsed in 1 of 12 runs." in headline(found)


def test_collapses_in_units_that_the_baseline_lacks_are_not_counted_for_the_pair(tmp_path: Path) -> None:
    make_arm(tmp_path / "study", "cross_entropy", BASE[:2])
    make_arm(tmp_path / "study", "power", [*BASE[:9], 0.2, 0.2, 0.2])
    found = compare_runs(tmp_path)
    assert found.collapsed == {"power": [9, 10, 11]}
    assert (found.paired["power"].n, found.paired["power"].collapsed) == (2, 0)


def test_a_replicate_in_which_all_runs_diverged_has_no_examples_and_that_is_said(tmp_path: Path) -> None:
    counts = {"train_counts": {"examples": 1000}}
    for unit, score in enumerate(BASE):
        for loss, gain in (("cross_entropy", 0.0), ("power", 0.05)):
            state = "done" if unit else "failed"
            right = right_of(score + gain)
            status = None if unit else {"cause": "diverged"}
            more = {"state": state, "status": status, "result": counts, "right": right, "kind": "replicate"}
            make_run(tmp_path / "study", loss, unit, accuracy=score + gain, **more)
    found = compare_runs(tmp_path)
    assert found.without_examples == "all runs of replicate 0 diverged"
    assert found.scores["power"][0] == found.scores["cross_entropy"][0] == 0.1
    assert found.paired["power"].n == 12


def test_folds_without_predictions_need_the_number_of_training_examples(tmp_path: Path) -> None:
    make_arm(tmp_path / "study", "cross_entropy", BASE, kind="replicate")
    make_arm(tmp_path / "study", "power", BASE[::-1], kind="replicate")
    with pytest.raises(UserError, match=r"replicate0/result\.json lacks train_counts, .* save_predictions=true$"):
        compare_runs(tmp_path)
    for run in tmp_path.glob("study/*/replicate*"):
        change(run / "result.json", train_counts={"examples": 1000})
    assert compare_runs(tmp_path).paired["power"].nadeau_bengio is not None


@pytest.mark.parametrize("lost", [{"test/accuracy": None}, dict.fromkeys(metrics_of(0.5, 0))])
def test_other_arms_of_the_study_without_the_metric_stop_no_report(
    tmp_path: Path, lost: dict[str, float | None]
) -> None:
    arms = [make_arm(tmp_path / "study", loss, BASE[:7], right=right_of(0.8)) for loss in ("cross_entropy", "power")]
    make_arm(tmp_path / "study", "cosine", BASE[:7])
    change(next(tmp_path.glob("study/*-cosine-*/seed3/result.json")), metrics={**metrics_of(0.5, 3), **lost})
    found = compare_runs(*(runs[0].parent for runs in arms))
    assert (set(found.paired), found.family) == ({"power"}, 2)
