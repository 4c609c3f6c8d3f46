"""Tables: numbers unrounded for programs, rounded for people, and well-formed in every shape."""

import csv
import io
import math
from dataclasses import asdict
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_runs import find_in, make_arm, make_run

from lossbench.report.cost_table import cost_table
from lossbench.report.records_csv import write_csv
from lossbench.report.stats.paired import effect_size, probability_better
from lossbench.report.stats.summary import summarise
from lossbench.report.tables import EMPTY, Table, aligned, markdown
from lossbench.report.verdict_table import verdict_table

BASE = [0.801, 0.823, 0.84, 0.86, 0.88, 0.90, 0.81]
GOOD = [0.831, 0.843, 0.88, 0.87, 0.92, 0.93, 0.85]


def tables(folder: Path, **spec: Any) -> tuple[Table, Table]:
    findings = find_in(folder, **spec)
    return verdict_table(findings), cost_table(findings)


def cells(table: Table, label: str) -> dict[str, str]:
    (row,) = (row for row in table.rows if row[0].removesuffix(" (baseline)") == label)
    return dict(zip(table.columns, row, strict=True))


@pytest.fixture
def study(tmp_path: Path) -> Path:
    for loss, scores in (("cross_entropy", BASE), ("power", GOOD)):
        for seed, accuracy in enumerate(scores):
            make_run(
                tmp_path / "study",
                loss,
                seed,
                accuracy=accuracy,
                right=[(seed + k) % 5 > (loss == "power") for k in range(30)],
            )
    make_run(tmp_path / "study", "cosine", 9)
    return tmp_path / "study"


def test_a_person_reads_rounded_numbers_with_units(study: Path) -> None:
    table, _ = tables(study)
    differences = [100 * (ours - theirs) for ours, theirs in zip(GOOD, BASE, strict=True)]
    mean, half = np.mean(differences), 2.446912 * np.std(differences, ddof=1) / math.sqrt(7)
    row = cells(table, "power")
    expected = {
        "verdict": "▲ better",
        "difference (points)": f"{mean:+.2f}",
        "its 95 % interval": f"{mean - half:+.2f} to {mean + half:+.2f}",
        "p different": "0.016",
        "uncorrected p": "< 0.001",
        "mean ± sd (%)": f"{100 * np.mean(GOOD):.2f} ± {100 * np.std(GOOD, ddof=1):.2f}",
        "n seeds": "7",
        "median": "87.00",
        "better in": "100% (65%-100%)",
    }
    assert {name: row[name] for name in expected} == expected
    assert row["± from test set"].startswith("± ")
    assert table.title == "test/accuracy of every loss, and paired by seed against cross_entropy"


def test_what_is_not_known_is_empty(study: Path) -> None:
    table, _ = tables(study)
    baseline, stranger = cells(table, "cross_entropy"), cells(table, "cosine")
    assert table.rows[0][0] == "cross_entropy (baseline)"
    compared = ("verdict", "difference (points)", "p different", "p equivalent", "effect d", "better in")
    assert {baseline[name] for name in compared} == {EMPTY}
    assert stranger["verdict"] == "no common seed"
    assert (stranger["mean ± sd (%)"], stranger["95 % interval"]) == ("90.00", EMPTY)


def test_p_of_equivalence_has_a_column_of_its_own(tmp_path: Path) -> None:
    for loss, noise in (("cross_entropy", 0), ("power", 0.002)):
        make_arm(tmp_path / "study", loss, [score + noise * (-1) ** k for k, score in enumerate([*BASE, 0.85])])
    row = cells(tables(tmp_path)[0], "power")
    assert row["verdict"] == "■ equivalent"
    assert (row["p different"], row["p equivalent"]) == ("1.000", "< 0.001")
    assert cells(tables(tmp_path, metric="test/brier")[0], "power")["p equivalent"] == EMPTY  # no margin is customary


def test_what_is_not_judged_says_so(study: Path) -> None:
    make_run(study, "power", 8, state="running")
    row = cells(tables(study)[0], "power")
    assert row["verdict"] == "not judged yet"
    assert row["difference (points)"].startswith("+")


def test_one_more_seed_is_one(tmp_path: Path) -> None:
    for loss, shift in (("cross_entropy", 0), ("power", 0.05)):
        make_arm(tmp_path / "study", loss, [score + shift for score in BASE[:5]])
    assert cells(tables(tmp_path)[0], "power")["verdict"] == "○ undecided (about 1 more seed)"


def test_fewer_pairs_than_runs_are_told(study: Path) -> None:
    make_run(study, "power", 40, accuracy=0.9)
    assert cells(tables(study)[0], "power")["difference (points)"].endswith(" (n = 7)")


@pytest.mark.parametrize(
    ("metric", "heading"),
    [
        ("test/nll", "difference (nats, + is better)"),
        ("test/error_rate", "difference (points, + is better)"),
        ("test/ece", "difference (+ is better)"),
    ],
)
def test_where_lower_is_better_the_heading_says_how_differences_are_turned(
    study: Path, metric: str, heading: str
) -> None:
    table, _ = tables(study, metric=metric)
    assert cells(table, "power")[heading].startswith("+")


def test_without_a_baseline_there_are_only_scores(tmp_path: Path) -> None:
    make_arm(tmp_path / "study", "power", GOOD)
    table, more = tables(tmp_path)
    assert table.columns == ["loss", "n seeds", "mean ± sd (%)", "95 % interval", "median", "IQM"]
    assert table.title == "test/accuracy of every loss"
    assert not [name for name in more.columns if "to " in name]


def read_back(tmp_path: Path, table: Table) -> dict[str, dict[str, str]]:
    write_csv(tmp_path / "t.csv", list(dict.fromkeys(name for row in table.numbers for name in row)), table.numbers)
    return {row["arm"]: row for row in csv.DictReader(io.StringIO((tmp_path / "t.csv").read_text()))}


def test_numbers_in_files_are_not_rounded(study: Path, tmp_path: Path) -> None:
    rows = read_back(tmp_path, tables(study)[0])
    row, differences = rows["power"], np.array(GOOD) - np.array(BASE)
    summary, paired = asdict(summarise(np.array(GOOD))), asdict(summarise(differences))
    numbers = summary | {f"difference_{name}": paired[name] for name in ("n", "mean", "sd")}
    numbers["difference_effect_size"] = effect_size(differences)
    numbers |= zip(("better_in", "better_in_low", "better_in_high"), probability_better(differences), strict=True)
    numbers["run_half_width_95"] = 0.02
    assert {name: float(row[name]) for name in numbers} == numbers
    texts = {"verdict": "better", "look": "1"}
    assert {name: row[f"difference_{name}"] for name in texts} == texts
    assert (row["baseline"], rows["cross_entropy"]["baseline"]) == ("False", "True")
    assert rows["cross_entropy"]["difference_mean"] == ""
    assert float(row["difference_half_width_95"]) > 0


def test_calibration_convergence_and_cost(study: Path, tmp_path: Path) -> None:
    _, more = tables(study)
    goal = f"{95 * np.mean(BASE):.2f} %"
    row = cells(more, "power")
    eces = 100 * 0.5 * (1 - np.array(GOOD))
    assert row["ECE raw (%)"] == f"{eces.mean():.2f} ± {2.446912 * eces.std(ddof=1) / math.sqrt(7):.2f}"
    assert (row["reached it"], row[f"steps to {goal}"], row[f"s to {goal}"]) == ("7 of 7", "480", "1.3")
    assert (row["s a run"].split(" ")[0], row["peak memory (MB)"]) == ("1.5", "877 ± 0")
    numbers = read_back(tmp_path, more)["power"]
    assert float(numbers["ece_mean"]) == summarise(0.5 * (1 - np.array(GOOD))).mean
    assert (numbers["reached"], numbers["of"], float(numbers["median_steps"])) == ("7", "7", 480)


def test_a_goal_that_half_of_the_runs_miss_has_no_time(study: Path) -> None:
    make_arm(study, "inverse", [0.3, 0.4, 0.9])
    row = cells(tables(study)[1], "inverse")
    assert row["reached it"] == "1 of 3"
    assert [cell for name, cell in row.items() if name.startswith(("steps to", "s to"))] == [EMPTY, EMPTY]


def test_a_run_without_histories_has_no_convergence(study: Path) -> None:
    (make_run(study, "inverse") / "metrics.csv").unlink()
    row = cells(tables(study)[1], "inverse")
    assert (row["reached it"], row["mean of curve (%)"]) == (EMPTY, EMPTY)


def parse(text: str) -> tuple[str, list[list[str]]]:
    """Title and cells of a Markdown table: cells are parted by | that no \\ escapes."""
    title, blank, *lines = text.removesuffix("\n").split("\n")
    assert blank == ""
    found = []
    for line in lines:
        assert line.startswith("| ")
        assert line.endswith(" |")
        cells = line[1:-1].replace(r"\|", "\0").split("|")
        found.append([unescape(cell.strip().replace("\0", "|")) for cell in cells])
    return title, found


def test_markdown_is_a_table_whatever_the_labels(tmp_path: Path) -> None:
    make_arm(tmp_path / "study", "cross_entropy", BASE)
    for value in ("a|b", "two\nlines", "<b>&"):
        make_arm(tmp_path / "study", "power", GOOD, settings={"loss.kind": value})
    for table in tables(tmp_path):
        title, (head, rule, *rows) = parse(markdown(table))
        assert title == table.title
        assert head == list(table.columns)
        assert rule == ["---"] * len(head)
        assert [[" ".join(cell.split()) for cell in row] for row in table.rows] == rows
        assert "power kind=a|b" in [row[0] for row in rows]


def test_the_terminal_shows_the_chosen_columns_in_line(study: Path) -> None:
    table, _ = tables(study)
    lines = aligned(table, ("loss", "n seeds", "median")).split("\n")
    assert [line.split()[-1] for line in lines] == [
        "median",
        *(row[table.columns.index("median")] for row in table.rows),
    ]
    assert len({len(line) for line in lines}) == 1
    assert lines[1].startswith("cross_entropy (baseline)  ")
