"""Losses at several doses of the data: one report, one family, one record of looks."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_runs import change, compare_runs, make_run, read, right_of

from lossbench.errors import UserError
from lossbench.report.comparable import read_done
from lossbench.report.compare_any import compare
from lossbench.report.doses.report import DoseComparison
from lossbench.report.publish import publish_all
from lossbench.report.sets import comparable_sets
from lossbench.report.spec import ComparisonSpec

UNITS = 8
NOISE = "data.label_noise"
SCORES = {"cross_entropy": (0.95, 0.90, 0.80), "mae": (0.90, 0.91, 0.88), "power": (0.94, 0.90, 0.80)}
RATES = (0.0, 0.2, 0.4)


def make(
    study: Path,
    key: str = NOISE,
    doses: Sequence[float | None] = RATES,
    scores: dict[str, tuple[float, ...]] = SCORES,
    *,
    units: int = UNITS,
    settings: dict[str, Any] | None = None,
    on: dict[str, Any] | None = None,
    predictions: bool = True,
) -> None:
    """Write runs whose scores differ by loss and dose, with the same test examples in each replicate."""
    stream = np.random.default_rng(0)
    for loss, means in scores.items():
        for dose, mean in zip(doses, means, strict=True):
            of_dose = {} if dose in (None, 0.0) else {key: dose, **(on or {})}
            for unit in range(units):
                accuracy = round(mean + 0.005 * stream.standard_normal(), 2)
                make_run(
                    study,
                    loss,
                    unit,
                    kind="replicate",
                    accuracy=accuracy,
                    settings={**of_dose, **(settings or {})},
                    right=stream.permutation(right_of(accuracy, 500)).tolist() if predictions else None,
                    result={"train_counts": {"examples": 10 * int(dose or 100)}} if key != NOISE else None,
                )


def compared(study: Path, **spec: Any) -> DoseComparison:
    found = compare(read_done([study]), ComparisonSpec(**spec))
    assert isinstance(found, DoseComparison)
    return found


def lines(study: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (study / "journal.jsonl").read_text().splitlines()]


def test_a_sweep_over_a_number_of_the_data_is_one_report(tmp_path: Path) -> None:
    study = tmp_path / "study"
    make(study, on={"data.noise": "symmetric"})
    assert [*comparable_sets(read(study))] == [""]
    found = compared(study)
    response = found.response
    assert [*response.places] == [*RATES]
    assert [pair.verdict for pair in response.pairs("mae").values()][0::2] == ["worse", "better"]
    assert found.trends == {"mae": "better", "power": response.trends["power"].verdict}
    assert found.trends["power"] in ("equivalent", "undecided")
    (crossing,) = response.crossings["mae"]
    assert 0.05 < crossing.low < crossing.at < crossing.high < 0.25
    assert "at label_noise=0.4 train with mae" in found.headline
    assert "As label_noise grows, mae gains on cross_entropy." in found.headline
    assert response.first.family == 2 * 3 + 2
    assert {label.partition(",")[0] for label in found.verdicts} == {"mae", "power"}


def test_the_look_is_one_family_that_a_report_of_one_dose_is_corrected_for(tmp_path: Path) -> None:
    study = tmp_path / "study"
    make(study)
    alone = compare_runs(*(path for path in study.iterdir() if _dose(path) == 0.4))
    assert alone.family == 2
    compared(study)
    looks = lines(study)
    assert [line["what"] for line in looks] == ["look"] * 5  # of one dose; then of three, and of the trends
    assert [len(line["family"]) for line in looks] == [2, 8, 8, 8, 8]
    again = compared(study)
    assert len(lines(study)) == 5
    assert {pair.look for pair in again.response.pairs("mae").values()} == {1}
    later = compare_runs(*(path for path in study.iterdir() if _dose(path) == 0.4))
    assert later.family >= 8
    assert later.paired["mae"].p_adjusted >= alone.paired["mae"].p_adjusted


def _dose(path: Path) -> float:
    result = json.loads(next(path.glob("replicate*/result.json")).read_text()) if path.is_dir() else {"params": {}}
    return result["params"].get(NOISE, 0.0)


def test_the_page_says_what_was_changed_and_names_the_rows_of_its_plot_shortly(tmp_path: Path) -> None:
    make(tmp_path / "study")
    for path in (tmp_path / "study").glob("*/*/result.json"):
        if dose := _dose(path.parent.parent):
            splits = {"train": {"wrong": int(1000 * dose), "of": 1000}, "val": {"wrong": 0, "of": 10}}
            change(path, changes={"label_noise": {"kind": "pairs", "splits": splits}})
    found = compared(tmp_path)
    assert "0 to 40 % of the training labels are wrong (pairs), 0 % of validation" in found.description["data"]
    assert found.forest is not None
    assert [row.label for row in found.forest.rows][:2] == ["mae at 0", "mae at 0.2"]
    assert found.forest.note.startswith("Numbers after at are label_noise. ")


def test_a_margin_makes_the_same_dose_and_trend_equivalent(tmp_path: Path) -> None:
    study = tmp_path / "study"
    make(study, scores={"cross_entropy": (0.9, 0.9, 0.9), "power": (0.9, 0.9, 0.9)})
    found = compared(study, margin=0.05)
    assert {pair.verdict for pair in found.response.pairs("power").values()} == {"equivalent"}
    assert found.trends == {"power": "equivalent"}


def test_all_examples_are_the_last_dose_and_stand_where_they_count(tmp_path: Path) -> None:
    study, key = tmp_path / "study", "data.images_per_class"
    make(study, key, (5, 10, None))
    for folder in study.iterdir():
        for path in folder.glob("replicate*/result.json"):  # own settings of a data set move its fingerprint
            change(path, fingerprint=str(json.loads(path.read_text())["params"].get(key)))
    found = compared(study)
    assert found.response.places == {5.0: 5.0, 10.0: 10.0, float("inf"): 100.0}
    assert [row[1] for row in found.table.rows][:3] == ["5", "10", "all"]
    for path in study.glob("*/replicate*/result.json"):
        path.write_text(
            json.dumps({name: value for name, value in json.loads(path.read_text()).items() if name != "train_counts"})
        )
    with pytest.raises(UserError, match=r"images_per_class=all: result\.json of these runs lacks train_counts"):
        compared(study)


def test_all_examples_may_be_as_many_as_a_dose(tmp_path: Path) -> None:
    study = tmp_path / "study"
    make(study, "data.images_per_class", (100, None), {name: means[:2] for name, means in SCORES.items()})
    found = compared(study)
    assert found.response.places == {100.0: 100.0, float("inf"): 100.0}
    assert found.response.untold["mae"] == "images_per_class=100 and images_per_class=all are the same"
    publish_all(read(study), ComparisonSpec())


def test_runs_on_unchanged_data_go_with_every_way_to_change_them(tmp_path: Path) -> None:
    study = tmp_path / "study"
    for noise in ("symmetric", "pairs"):
        make(study / noise, on={"data.noise": noise, "data.noise_validation": True})
    read_from_file = {"data.noise": "file", "data.noise_file": "labels.csv"}
    make(study / "file", doses=(0.0,), scores=dict.fromkeys(SCORES, (0.8,)), settings=read_from_file)
    groups = comparable_sets(read(study))
    human = groups.pop("noise=file noise_validation=null noise_file=labels.csv")
    assert {record.params["data.noise"] for record in human} == {"file"}
    assert len(groups) == 2
    for group in groups.values():
        assert {record.params.get(NOISE, 0.0) for record in group} == {*RATES}


def test_models_and_a_second_number_have_reports_of_their_own(tmp_path: Path) -> None:
    study = tmp_path / "study"
    make(study)
    make(study, settings={"model.name": "cnn", "model._target_": "my.CNN"})
    make(study, settings={"data.imbalance": 10})
    groups = comparable_sets(read(study))
    assert {*groups} == {"imbalance=null mlp", "imbalance=null cnn", "imbalance=10 mlp"}
    assert {len(group) for group in groups.values()} == {len(SCORES) * len(RATES) * UNITS}


def test_a_loss_that_lacks_a_dose_is_judged_at_the_others_and_has_no_trend(tmp_path: Path) -> None:
    study = tmp_path / "study"
    make(study)
    make(study, doses=RATES[1:], scores={"huge": (0.95, 0.95)})
    found = compared(study)
    assert [*found.response.pairs("huge")] == [0.2, 0.4]
    assert found.response.untold == {"huge": "it is not compared at label_noise=0"}
    assert "has no trend, since it is not compared at label_noise=0" in " ".join(found.sentences)


def test_without_predictions_and_with_one_replicate_nothing_is_claimed(tmp_path: Path) -> None:
    make(tmp_path / "one", units=1)
    found = compared(tmp_path / "one")
    assert {pair.verdict for pair in found.response.pairs("mae").values()} == {"undecided"}
    make(tmp_path / "bare", predictions=False)
    for path in (tmp_path / "bare").glob("*/replicate*/result.json"):
        change(path, train_counts={"examples": 1000})
    bare = compared(tmp_path / "bare")
    assert bare.response.first.without_examples
    assert bare.response.pairs("mae")[0.4].verdict == "better"


def test_runs_that_are_still_to_be_done_leave_all_doses_open_and_no_look(tmp_path: Path) -> None:
    study = tmp_path / "study"
    make(study)
    make_run(study, "power", 20, kind="replicate", settings={NOISE: 0.4}, state="running")
    found = compared(study)
    assert found.headline == "Not judged yet: 1 run of this comparison is still to be done."
    assert {pair.verdict for pair in found.response.pairs("mae").values()} == {"undecided"}
    assert not (study / "journal.jsonl").exists()


def test_the_report_has_a_page_tables_and_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study = tmp_path / "study"
    make(study)
    publish_all(read(study), ComparisonSpec(), tmp_path / "out")
    assert "mae gains on cross_entropy" in capsys.readouterr().out
    with open(tmp_path / "out" / "verdict.csv", newline="") as file:
        rows = [*csv.DictReader(file)]
    assert [(row["arm"], row["label_noise"]) for row in rows[:4]] == [
        ("cross_entropy", "0"), ("cross_entropy", "0.2"), ("cross_entropy", "0.4"), ("mae", "0"),
    ]  # fmt: skip
    with open(tmp_path / "out" / "trend.csv", newline="") as file:
        trends = {row["loss"]: row for row in csv.DictReader(file)}
    assert float(trends["mae"]["difference_mean"]) == pytest.approx(0.13, abs=0.01)
    assert float(trends["mae"]["crossing"]) == pytest.approx(0.15, abs=0.06)
    page = (tmp_path / "out" / "report.html").read_text()
    for text in ("How differences change with label_noise", 'id="doses"', 'id="differences"', "mae, trend"):
        assert text in page
    assert {path.name for path in (tmp_path / "out" / "figures").glob("*.svg")} == {
        "doses.svg", "differences.svg", "forest.svg",
    }  # fmt: skip
    text = (tmp_path / "out" / "methods.txt").read_text()
    assert text.startswith("We compared mae, power with cross_entropy by test/accuracy on digits: ")
    assert "Losses were compared at label_noise=0,0.2,0.4, on the same test examples at each." in text
    assert (tmp_path / "out" / "verdict.tex").read_text().count("baseline") >= 3
