"""Examples that one loss gets right and another one wrong, and their pictures."""

import base64
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import yaml
from made_runs import change, compare_runs, cut_in_half, make_arm, make_run, write_predictions
from PIL import Image
from records import record_with

from lossbench.report.flips import Example, find_flips
from lossbench.report.page.flips_shown import flips_shown
from lossbench.report.records import read_record
from lossbench.report.stats.mcnemar import mcnemar_p

N = 12
THEIRS = [False, False, False, True, True, *[True] * (N - 5)]  # targets 0, 1, 0, 1, ...
OURS = [True, True, False, False, True, *[True] * (N - 5)]


@pytest.fixture
def study(tmp_path: Path) -> Path:
    for seed in range(3):
        make_run(tmp_path / "study", "cross_entropy", seed, accuracy=0.75, right=THEIRS)
        ours = [*([seed > 0] * 2), *OURS[2:]]
        make_run(tmp_path / "study", "power", seed, accuracy=sum(ours) / N, right=ours)
    return tmp_path / "study"


def test_flips_are_counted_by_unit_and_named_by_how_often(study: Path) -> None:
    flips = find_flips(compare_runs(study))
    assert flips is not None
    first = flips.first
    assert (first.ours, first.theirs, len(flips.pairs)) == ("power", "cross_entropy", 1)
    assert (first.only_ours.tolist(), first.only_theirs.tolist(), first.tested.tolist()) == (
        [0, 2, 2],
        [1] * 3,
        [N] * 3,
    )
    assert first.p == [mcnemar_p(0, 1), mcnemar_p(2, 1), mcnemar_p(2, 1)]
    assert first.gained == [Example("test/0", 0, 1, 2, 3), Example("test/1", 1, 0, 2, 3)]
    assert first.lost == [Example("test/3", 1, 0, 3, 3)]


def test_examples_that_a_unit_does_not_test_are_neither_right_nor_wrong(study: Path) -> None:
    for loss, right in (("cross_entropy", THEIRS), ("power", OURS)):
        for seed, run in enumerate(sorted(study.glob(f"*-{loss}-*/seed*"))):
            write_predictions(run, right, [f"{k if k < 2 else f'{seed} {k}'}" for k in range(N)])
            change(run / "result.json", metrics={"test/accuracy": sum(right) / N, "test/nll": 1 + seed})
    flips = find_flips(compare_runs(study))
    assert flips is not None
    assert flips.first.only_ours.tolist() == [2, 2, 2]
    assert [(example.id, example.times, example.tested) for example in flips.first.gained] == [("0", 3, 3), ("1", 3, 3)]
    assert {(example.times, example.tested) for example in flips.first.lost} == {(1, 1)}


def test_every_pair_of_losses_is_listed_the_best_against_the_baseline_first(study: Path) -> None:
    for seed in range(3):
        make_run(study, "inverse", seed, accuracy=0.5, right=[k < N / 2 for k in range(N)])
    flips = find_flips(compare_runs(study))
    assert flips is not None
    pairs = [(each.ours, each.theirs) for each in flips.pairs]
    assert pairs == [("power", "cross_entropy"), ("inverse", "cross_entropy"), ("inverse", "power")]


def test_runs_without_predictions_of_classes_have_no_flips(study: Path, tmp_path: Path) -> None:
    make_arm(tmp_path / "other", "cross_entropy", [0.8, 0.9])
    make_arm(tmp_path / "other", "power", [0.8, 0.9])
    assert find_flips(compare_runs(tmp_path / "other")) is None  # not saved
    run = next(study.glob("*-power-*/seed1"))
    metrics = read_record(run).metrics
    change(run / "result.json", metrics={**metrics, "test/accuracy": 0.1})
    assert find_flips(compare_runs(study)) is None  # the largest output is not what it predicts
    for run in study.glob("*/seed*"):
        change(run / "result.json", classes=[])
    assert find_flips(compare_runs(study)) is None  # another task


def test_damaged_predictions_are_named_on_the_page(study: Path) -> None:
    comparison = compare_runs(study)
    damaged = sorted(study.glob("*-power-*/seed1/predictions.npz"))[0]
    cut_in_half(damaged)
    shown = flips_shown(comparison)
    assert shown is not None
    assert str(damaged) in shown.words
    assert (shown.sides, shown.pairs) == ((), None)


def digits_config(run: Path, **changes: object) -> None:
    data = {"name": "digits", "_target_": "lossbench.data.digits.Digits", "batch_size": 64, "split_seed": 0, **changes}
    (run / "config.yaml").write_text(yaml.safe_dump(record_with(("data", data))))


def test_pictures_of_arrays_are_those_of_the_data_set(study: Path) -> None:
    from sklearn.datasets import load_digits

    for run in study.glob("*/seed*"):
        right = OURS if "power" in str(run) else THEIRS
        write_predictions(run, right, [str(k) for k in range(N)])
        metrics = {**read_record(run).metrics, "test/accuracy": sum(right) / N}
        change(run / "result.json", metrics=metrics)
        digits_config(run)
    shown = flips_shown(compare_runs(study))
    assert shown is not None
    assert [side.title for side in shown.sides] == ["Only power is right", "Only cross_entropy is right"]
    assert shown.sides[0].tiles[1].words == "1; cross_entropy says 0; 3 of 3 seeds"
    head, _, text = shown.sides[0].tiles[1].picture.partition(",")
    assert head == "data:image/png;base64"
    pixels = np.asarray(Image.open(BytesIO(base64.b64decode(text))), dtype=float)
    assert np.abs(pixels / 255 * 16 - load_digits().images[1]).max() < 0.04  # pyright: ignore[reportAttributeAccessIssue] - a Bunch
    assert "No pictures" not in shown.words


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"_target_": "mine.Mine"}, "the data set is in a user's own file, which a report does not execute"),
        ({"split_seed": -1}, "split_seed must be"),
    ],
)
def test_the_page_says_why_there_are_no_pictures(study: Path, changes: dict[str, object], reason: str) -> None:
    for run in study.glob("*/seed*"):
        digits_config(run, **changes)
    shown = flips_shown(compare_runs(study))
    assert shown is not None
    assert "No pictures: " in shown.words
    assert reason in shown.words
    assert {tile.picture for side in shown.sides for tile in side.tiles} == {""}
