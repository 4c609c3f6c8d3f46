"""Caveats: those that apply, and no others."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from made_runs import change, compare_runs, find_in, make_arm, make_run, right_of, write

from lossbench.report.caveats import find_caveats

SCORES = [0.80, 0.82, 0.84, 0.86, 0.88, 0.90, 0.81, 0.83]


def said(folder: Path, **spec: Any) -> list[str]:
    return find_caveats(find_in(folder, **spec))


def mentions(folder: Path, start: str, **spec: Any) -> list[str]:
    return [line for line in said(folder, **spec) if line.startswith(start)]


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Nothing to object to but one optimiser and an untuned baseline."""
    for loss in ("cross_entropy", "power"):
        for seed, score in enumerate(SCORES):
            make_run(tmp_path / "study", loss, seed, accuracy=score, right=right_of(score))
    return tmp_path / "study"


def test_only_what_applies_is_said(study: Path) -> None:
    assert said(study) == [
        "One optimiser and one learning rate only (Adam, 0.003): the ranking of losses depends on both.",
        "cross_entropy was run with one setting only: a tuned baseline may be better.",
    ]


def test_seeds_that_one_arm_lacks_are_listed(study: Path) -> None:
    make_arm(study, "cosine", SCORES[:6])
    make_run(study, "power", 8)
    assert said(study)[:2] == [
        "cosine does not share seeds 6, 7 with cross_entropy; they are paired on the 6 that they share.",
        "power does not share seed 8 with cross_entropy; they are paired on the 8 that they share.",
    ]


def test_a_seed_that_the_baseline_lacks_is_told_once_for_all_arms(study: Path) -> None:
    make_arm(study, "cosine", SCORES)
    for loss in ("power", "cosine"):
        make_run(study, loss, 8)
    assert [line for line in said(study) if "share" in line] == [
        "cosine and 1 other do not share seed 8 with cross_entropy; they are paired on the 8 that they share."
    ]


def test_a_long_list_of_seeds_is_cut(study: Path) -> None:
    make_arm(study, "power", [0.9] * 10, first=20)
    assert "does not share seeds 20, 21, 22, 23, 24, 25, 26, 27, ... with cross_entropy;" in said(study)[0]


def test_without_a_shared_seed_no_pairs_are_claimed(tmp_path: Path) -> None:
    make_arm(tmp_path / "study", "cross_entropy", [0.9, 0.8])
    make_arm(tmp_path / "study", "power", [0.9, 0.8], first=2)
    assert not [line for line in said(tmp_path) if "share" in line or "Too few" in line]


@pytest.mark.parametrize(("n", "words"), [(1, "1 seed decides"), (5, "5 seeds decide")])
def test_too_few_seeds_say_how_many_are_enough(tmp_path: Path, n: int, words: str) -> None:
    for loss in ("cross_entropy", "power"):
        make_arm(tmp_path / "study", loss, SCORES[:n])
    (line,) = mentions(tmp_path, "Too few seeds")
    assert line == f"Too few seeds: {words} nothing, whatever the difference; 6 seeds are the least."
    for loss in ("cross_entropy", "power"):
        make_arm(tmp_path / "study", loss, [0.9] * (6 - n), first=n)
    assert mentions(tmp_path, "Too few seeds") == []


def test_where_no_number_of_seeds_is_enough_none_is_named(tmp_path: Path) -> None:
    for loss in ("cross_entropy", "power"):
        make_arm(tmp_path / "study", loss, [0.8 + 0.005 * seed for seed in range(22)])
    found = compare_runs(tmp_path)
    assert found.baseline is not None
    name = f"test/accuracy {found.baseline.digest[:16]} {found.others[0].digest[:16]}"
    write(tmp_path / "study" / "looks.json", {"looks": {name: [[seed] for seed in range(13)]}})
    (line,) = mentions(tmp_path, "Too few seeds")
    assert line.endswith("after so many looks no number of seeds is enough.")


def test_later_looks_are_told(study: Path) -> None:
    assert mentions(study, "This is look") == []
    for loss in ("cross_entropy", "power"):
        make_run(study, loss, 8)
    (line,) = mentions(study, "This is look 2 at some of these comparisons")
    assert "asked of these runs" not in line
    for loss in ("cross_entropy", "power"):
        make_run(study, loss, 9)
    (line,) = mentions(study, "This is look 3", margin=0.02)
    assert "comparisons (2 questions asked of these runs)" in line


def test_a_look_that_is_not_recorded_is_told(study: Path) -> None:
    (study / "elsewhere").touch()
    (study / "journal.jsonl").symlink_to(study / "elsewhere")  # nothing is written through a link
    (line,) = mentions(study, "This look could not be recorded, so later ones will not be corrected for it: cannot")
    assert f"write {study / 'journal.jsonl'}" in line
    assert (study / "elsewhere").read_bytes() == b""


def test_without_predictions_the_intervals_do_not_cover_other_examples(study: Path) -> None:
    assert mentions(study, "Intervals do not cover") == []
    run = make_run(study, "cosine")
    change(run / "result.json", half_width_95={"test/accuracy": 0.0234})
    assert mentions(study, "Intervals do not cover") == [
        f"Intervals do not cover other test examples: {run} has no predictions.npz. "
        "With n = 359 of them, others would move a score by about ±2.34 points, a difference by less."
    ]


def test_a_metric_that_has_no_parts_says_so(study: Path) -> None:
    for path in study.rglob("result.json"):
        change(path, metrics={"test/accuracy": 0.9, "test/my_yardstick": 0.5 + 0.01 * int(path.parent.name[-1])})
    (line,) = mentions(study, "Intervals do not cover", metric="test/my_yardstick")
    assert line.startswith("Intervals do not cover other test examples: test/my_yardstick is not split up by example.")


def test_test_images_that_were_learnt_are_counted(study: Path) -> None:
    change(make_run(study, "power", 8) / "result.json", learnt_images={"val": 0, "test": 3})
    assert "3 test images have the content of a training image." in said(study)


def test_what_the_runs_left_out_of_the_data_is_said(study: Path) -> None:
    assert mentions(study, "Data:") == []
    change(make_run(study, "power", 8) / "result.json", left_out=["test/ is not used", "the val split lacks a"])
    assert "Data: test/ is not used; the val split lacks a." in said(study)


def test_a_scale_that_makes_the_calibration_worse_is_named(study: Path) -> None:
    both = {"test/accuracy": 0.9, "test/ece": 0.05, "test/ece_scaled": 0.03}
    run = make_run(study, "focal")
    change(run / "result.json", metrics=both)
    assert mentions(study, "The scale fitted") == []
    change(run / "result.json", metrics={**both, "test/ece_scaled": 0.088})
    assert mentions(study, "The scale fitted") == [
        "The scale fitted on 359 validation examples raised the calibration error on test of focal (5.0 to 8.8 %): "
        "use their raw probabilities, or a larger validation set."
    ]
    splits = {"train": {"wrong": 40, "of": 100}, "val": {"wrong": 3, "of": 10}}
    for path in study.rglob("result.json"):
        change(path, changes={"label_noise": {"kind": "pairs", "splits": splits}})
    assert "359 validation examples, of which labels are wrong too," in mentions(study, "The scale fitted")[0]


def test_a_scale_within_the_luck_of_the_runs_or_of_outputs_that_are_no_logits_is_not_named(study: Path) -> None:
    for seed, raw in enumerate((0.04, 0.06)):
        metrics = {"test/accuracy": 0.9, "test/ece": raw, "test/ece_scaled": raw + 0.005}
        change(make_run(study, "focal", seed) / "result.json", metrics=metrics)
    cosine = {"test/accuracy": 0.9, "test/ece": 0.05, "test/ece_scaled": 0.088}
    change(make_run(study, "cosine") / "result.json", metrics=cosine)
    assert mentions(study, "The scale fitted") == []


def test_deterministic_runs_show_one_seed_and_say_so(tmp_path: Path) -> None:
    for loss, value in (("cross_entropy", 0.1), ("power", 0.2)):
        make_arm(tmp_path / "study", loss, [1 - value] * 8, metrics={"val/loss": value, "test/loss": value})
    lines = said(tmp_path)
    assert lines[0].startswith(
        "Every seed gave the same run: nothing here depends on the seed, so one of them is shown"
    )
    assert not [line for line in lines if "Too few seeds" in line or "share" in line]


def test_no_baseline_is_told(tmp_path: Path) -> None:
    make_arm(tmp_path / "study", "power", [0.9])
    assert said(tmp_path)[0] == (
        "There is no baseline among these runs: run the same replicates or seeds with loss=cross_entropy "
        "(regression: mse) in the same study, then lossbench report on the study's folder; or name another baseline."
    )


def test_a_metric_that_was_not_asked_for_is_explained(tmp_path: Path) -> None:
    for loss in ("cross_entropy", "power"):
        make_run(tmp_path / "study", loss, settings={"monitor": "val/loss"})
    line = (
        "The runs monitor their own losses, another formula in each, so test/accuracy is compared instead of test/loss."
    )
    assert said(tmp_path)[0] == line
    assert line not in said(tmp_path, metric="test/accuracy")


@pytest.mark.parametrize("metric", ["test/nll", "test/brier", "val/ece"])
def test_metrics_of_outputs_that_are_no_logits_are_told(study: Path, metric: str) -> None:
    line = (
        f"{metric} takes outputs for logits, which those of the cosine losses are not: "
        "nll_scaled and ece_scaled are fair to all."
    )
    assert line in said(study, metric=metric)
    assert mentions(study, f"{metric}_scaled takes") == []


@pytest.mark.parametrize("metric", ["test/accuracy", "test/nll_scaled"])
def test_metrics_that_are_fair_to_all_are_not_objected_to(study: Path, metric: str) -> None:
    assert not [line for line in said(study, metric=metric) if "logits" in line or "chosen on the validation" in line]


def test_a_metric_of_one_loss_alone_is_fair(tmp_path: Path) -> None:
    for rate in (0.1, 0.2):
        make_run(tmp_path / "study", settings={"optimizer.lr": rate})
    assert mentions(tmp_path, "test/nll takes", metric="test/nll") == []


def test_a_metric_of_the_validation_examples_is_told(study: Path) -> None:
    line = (
        "Weights, settings and scales were chosen on the validation examples compared here: a metric of test is fair."
    )
    assert line in said(study, metric="val/accuracy")
    assert mentions(study, "Intervals do not cover other", metric="val/accuracy") == []


def test_a_baseline_chosen_among_settings_is_told_a_named_one_not(tmp_path: Path) -> None:
    for rate, score in ((0.1, 0.8), (0.2, 0.9)):
        make_run(tmp_path / "study", accuracy=score, settings={"optimizer.lr": rate})
    assert mentions(
        tmp_path,
        "Of 2 settings of cross_entropy the one with the best mean validation score is the baseline "
        "(cross_entropy lr=0.2)",
    )
    assert mentions(tmp_path, "Of 2 settings", baseline="cross_entropy lr=0.1") == []
    assert mentions(tmp_path, "cross_entropy lr=0.1 was run with one setting", baseline="cross_entropy lr=0.1") == []


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"optimizer.lr": 0.1}, "Arms differ in more than the loss: optimizer.lr."),
        (
            {"model.name": "cnn", "trainer.max_epochs": 7},
            "Arms differ in more than the loss: model.name, trainer.max_epochs.",
        ),
    ],
)
def test_a_confounded_setting_is_named(study: Path, settings: dict[str, Any], line: str) -> None:
    make_arm(study, "cosine", SCORES, settings=settings)
    assert line in said(study)


@pytest.mark.parametrize("settings", [{"loss.q": 0.3}, {"data.num_workers": 4}, {"log_every_n_steps": 1}])
def test_a_setting_of_the_loss_or_of_no_effect_confounds_nothing(study: Path, settings: dict[str, Any]) -> None:
    make_arm(study, "cosine", SCORES, settings=settings)
    assert mentions(study, "Arms differ") == []


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"optimizer.lr": None}, "One optimiser only (Adam): the ranking of losses depends on it."),
        (
            {"optimizer.lr": 1e-05},
            "One optimiser and one learning rate only (Adam, 1e-05): the ranking of losses depends on both.",
        ),
    ],
)
def test_one_optimiser_is_named(tmp_path: Path, settings: dict[str, Any], line: str) -> None:
    make_run(tmp_path / "study", settings=settings)
    assert line in said(tmp_path)


def test_two_learning_rates_are_not_one(tmp_path: Path) -> None:
    for rate in (0.1, 0.2):
        make_run(tmp_path / "study", settings={"optimizer.lr": rate})
    assert mentions(tmp_path, "One optimiser") == []


@pytest.mark.parametrize("loss", ["power", "cross_entropy"])
def test_failed_runs_of_an_arm_are_told(study: Path, loss: str) -> None:
    for seed in (8, 9):
        make_run(study, loss, seed, state="failed")
    line = (
        f"2 of 10 runs of {loss} failed for another reason than divergence (seeds 8, 9): "
        "it is judged by the others; the same command runs what is missing."
    )
    assert line in said(study)
    assert not [line for line in said(study) if line.startswith("All runs of some settings")]


def test_settings_of_which_all_runs_failed_are_named_once(study: Path) -> None:
    for seed in range(3):
        make_run(study, "cosine", seed, state="failed")
    make_run(study, "inverse", state="failed")
    line = "All runs of some settings failed, which therefore have no row here: digits-mlp-cosine, digits-mlp-inverse."
    assert line in said(study)
    assert not [line for line in said(study) if "another reason" in line]


def test_diverged_runs_are_outcomes_and_said_to_be(study: Path) -> None:
    for seed in (8, 9):
        make_run(study, "cross_entropy", seed, accuracy=0.9, right=right_of(0.9))
        make_run(study, "power", seed, state="failed", status={"cause": "diverged"})
    lines = said(study)
    assert (
        "2 of 10 runs of power diverged (seeds 8, 9): each counts as 50.00 %, "
        "what guessing the classes by their frequency gives, and as the worst rank." in lines
    )
    assert not [line for line in lines if "not in this report" in line or "share" in line]
    assert any("the worst score of the study" in line for line in said(study, metric="test/nll"))


def test_collapsed_runs_are_named(study: Path) -> None:
    make_run(study, "power", 8, accuracy=0.3, right=right_of(0.3))
    make_run(study, "cross_entropy", 8, accuracy=0.9, right=right_of(0.9))
    assert (
        "1 of 9 runs of power collapsed, far below its others (seed 8): "
        "a mean over so few runs says little of how often that happens." in said(study)
    )


def test_a_family_larger_than_the_report_is_told(study: Path) -> None:
    make_arm(study, "cosine", SCORES)
    power, base = next(study.glob("*-power-*")), next(study.glob("*-cross_entropy-*"))
    records = mentions(study, "Corrected for all")
    assert records == []
    found = find_caveats(find_in(power, base))
    assert (
        "Corrected for all 2 comparisons with this baseline that were planned or made in this study, "
        "of which 1 is in this report." in found
    )


@pytest.mark.parametrize(("n", "words"), [(1, "1 run is"), (2, "2 runs are")])
def test_copies_are_counted(study: Path, n: int, words: str) -> None:
    make_arm(study / "again" / "study", "power", SCORES[:n])
    assert f"{words} here twice (the same settings and seed); one of them counts." in said(study)


@pytest.fixture
def close(tmp_path: Path) -> Path:
    """Losses better by 0.1 points."""
    for loss, shift in (("cross_entropy", 0), ("power", 0.001), ("cosine", 0.001), ("inverse", 0.001)):
        make_arm(tmp_path / "study", loss, [score + shift for score in [*SCORES, 0.85]])
    return tmp_path / "study"


def test_the_best_of_several_is_told_to_look_better_than_it_is(close: Path) -> None:
    line = (
        "The best of several looks better than it is: "
        "the difference in the headline is not corrected for having been picked."
    )
    assert line in said(close, margin=0.0005)
    for loss in ("cosine", "inverse"):
        shutil.rmtree(next(close.glob(f"*-{loss}-*")))
    assert line not in said(close, margin=0.0005)


def test_runs_without_a_result_are_counted_by_state(study: Path) -> None:
    for seed, state in enumerate(("failed", "failed", "running", "planned", "cancelled", "preempted"), 10):
        make_run(study, "power", seed, state=state)
    (make_run(study, "power", 30) / "result.json").unlink()
    assert said(study)[0].startswith("2 of 10 runs of power failed for another reason than divergence (seeds 10, 11)")
    assert said(study)[3:] == [
        "2 more runs are failed and not in this report.",
        "1 more run is cancelled and not in this report.",
        "1 more run is preempted and not in this report.",
        "1 more run is running and not in this report.",
        "2 more runs are planned and not in this report.",
    ]


def test_an_invalid_cell_is_one_cell_however_many_seeds_it_has(study: Path) -> None:
    for seed in range(3):
        make_run(study, "power", seed, state="invalid", settings={"loss.q": 9})
    assert "1 cell is invalid: the loss is not defined there." in said(study)
    make_run(study, "power", 0, state="invalid", settings={"loss.q": 10})
    assert "2 cells are invalid: the loss is not defined there." in said(study)


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        (
            {"versions": {"python": "3.12.0", "torch": "2.9.0"}},
            "The runs were made with different versions of Python, torch or other packages.",
        ),
        ({"device": "cuda:0"}, "The runs were made with different kinds of device."),
        ({"engine": "fused"}, "The runs were made with different engines."),
        ({"git": {"commit": "f" * 40, "dirty": False}}, "The runs were made at 2 different commits of the code."),
        ({"git": {}}, "The runs were made at 2 different commits of the code."),
        (
            {"git": {"commit": "842e46bd33dbaa227ddb4b6899e119a1a1df388e", "dirty": True}},
            "Some runs were made with uncommitted changes in the code.",
        ),
    ],
)
def test_runs_made_otherwise_are_told(study: Path, changed: dict[str, Any], line: str) -> None:
    change(next(study.glob("*power*/seed3")) / "result.json", **changed)
    assert said(study)[2:] == [line]
