"""The page of the reality check says what its records say, and records are made from reports."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import ROOT
from made_tuned import make_tuned, peak
from reality import write_tables
from reality_page import across_independent, blocks, filled, found_doses, found_studies, made_page
from reality_records import collect, rows_of
from reality_start import start_table
from reality_studies import AXES, EXPERIMENTS, TABLES

from lossbench.report.tuned.publish import publish_tuned

RECORDS = ROOT / "docs" / "reality"
MOST_BYTES = 1_000_000
BLOCKS = ("start", "verdicts", "grid", "across", "untuned", "twins", "costs")
PAGE = "".join(f"<!-- made: {name} -->\n<!-- end -->\n" for name in BLOCKS)


def experiments() -> dict[str, dict[str, Any]]:
    return {path.stem: yaml.safe_load(path.read_text()) for path in (ROOT / "conf/experiment/reality").glob("*.yaml")}


def test_the_page_and_its_pictures_are_those_of_the_records() -> None:
    assert made_page(ROOT / "docs") == (ROOT / "docs/reality_check.md").read_text(), "make reality-figures"
    pictures = {path.stem for path in (ROOT / "docs/img/reality").glob("*.svg")}
    tiny = {"tiny"} if (RECORDS / "tiny_50").exists() else set[str]()
    assert pictures == {*found_studies(RECORDS), *found_doses(RECORDS), "ranks", *tiny}


@pytest.mark.parametrize("page", ["published", "reality_check"])
def test_differences_that_a_page_quotes_are_those_of_the_records(page: str) -> None:
    text = (ROOT / "docs" / f"{page}.md").read_text()
    found = {(name, ""): study_differences(name) for name in found_studies(RECORDS)}
    for name in found_doses(RECORDS):
        rows = rows_of(RECORDS / "doses" / name / "verdict.csv")
        for dose in {row[AXES[name]] for row in rows}:
            found[name, dose] = differences([row for row in rows if row[AXES[name]] == dose])
    quoted = re.findall(r"(\w+)`? ([+-]\d+\.\d\d) \((\w+)(?:, ([\d.]+|all))?\)", text)
    quoted = [each for each in quoted if each[2] in EXPERIMENTS]
    assert len(quoted) > 10
    wrong = [(loss, said, name, dose) for loss, said, name, dose in quoted if found[name, dose][loss] != said]
    assert wrong == []


def study_differences(name: str) -> dict[str, str]:
    return differences(rows_of(RECORDS / name / "verdict.csv"))


def differences(rows: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Loss -> its difference from the baseline in points, as pages write it."""
    losses = [row for row in rows if row["difference_mean"] and not row["arm"].endswith("(twin)")]
    return {row["loss"]: f"{100 * float(row['difference_mean']):+z.2f}" for row in losses}


def test_records_are_small_and_whole() -> None:
    files = [path for path in RECORDS.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= MOST_BYTES
    assert {folder.name for folder in RECORDS.iterdir()} <= {*EXPERIMENTS, "doses"}
    for name in found_studies(RECORDS):
        verdicts = {row["arm"]: int(row["n"]) for row in rows_of(RECORDS / name / "verdict.csv")}
        counts = [row["row"] for row in rows_of(RECORDS / name / "records.csv")]
        assert {arm: counts.count(arm) for arm in verdicts} == verdicts
        assert len(json.loads((RECORDS / name / "study.json").read_text())["plan"]) == 64


def test_every_experiment_gives_all_losses_one_budget() -> None:
    named = {words[0].partition("/")[2] for words in EXPERIMENTS.values()}
    assert named == experiments().keys()
    for name, experiment in experiments().items():
        losses = experiment["hydra"]["sweeper"]["params"]["loss"].split(",")
        assert losses[0] == "cross_entropy"
        assert len(losses) == len(set(losses)) >= (6 if name == "tiny" else 12)
        assert all((ROOT / "conf" / "loss" / f"{loss}.yaml").exists() for loss in losses)
        assert ({"override /hydra/sweeper": "tuned"} in experiment["defaults"]) == (name not in AXES)


ROBUST = ("symmetric_cross_entropy", "nce_mae", "power")


@pytest.mark.slow
def test_what_is_kept_of_a_study_is_what_its_report_said(tmp_path: Path) -> None:
    kept = tmp_path / "docs/reality"
    for name, losses in {"digits": ["power"], "wine": ["power"], "cifar_worse": ROBUST}.items():
        better = peak(0.9 if losses == ["power"] else 0.93)
        publish_tuned(make_tuned(tmp_path, {"cross_entropy": peak()} | dict.fromkeys(losses, better)))
        (tmp_path / "made.tuned").rename(tmp_path / f"reality_{name}.tuned")
        collect(name, tmp_path, kept, 90)
    studies = found_studies(kept)
    page = filled(PAGE, blocks(kept, studies, across_independent(studies)))
    assert "**cifar_worse** (cross_entropy 89.17 % test/accuracy, 6 replicates): better " in page
    assert "| Labels as they came, classes about even | cross_entropy | 2 data sets, 2 comparisons: 0 better" in page
    assert "| symmetric_cross_entropy, nce_mae, power | symmetric_cross_entropy +3.00 (" in page
    assert "| digits | 2 and a twin | 6 |" in page
    with pytest.raises(ValueError, match="the page has the blocks"):
        filled("<!-- made: other -->\n<!-- end -->", {"grid": ""})
    with pytest.raises(ValueError, match="are better, and \\['cross_entropy'\\] is recommended"):
        start_table({"digits": studies["cifar_worse"]})


def test_tables_of_scikit_learn_have_their_classes(tmp_path: Path) -> None:
    write_tables(tmp_path)
    rows = {name: (tmp_path / f"{name}.csv").read_text().splitlines() for name in TABLES}
    assert {name: (len(lines) - 1, lines[0].rpartition(",")[2]) for name, lines in rows.items()} == {
        "iris": (150, "species"),
        "wine": (178, "grower"),
        "breast_cancer": (569, "diagnosis"),
    }
    assert len({line.rpartition(",")[2] for line in rows["iris"][1:]}) == 3
