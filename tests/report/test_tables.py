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
from lossbench.report.detail_table import detail_table
from lossbench.report.records_csv import write_csv
from lossbench.report.stats.paired import effect_size, probability_better
from lossbench.report.stats.summary import summarise
from lossbench.report.tables import EMPTY, Table, aligned, in_one_line, markdown, stacked
from lossbench.report.verdict_table import verdict_table

BASE = [0.801, 0.823, 0.84, 0.86, 0.88, 0.90, 0.81]
GOOD = [0.831, 0.843, 0.88, 0.87, 0.92, 0.93, 0.85]


def tables(folder: Path, **spec: Any) -> tuple[Table, Table, Table]:
    findings = find_in(folder, **spec)
    return verdict_table(findings), detail_table(findings), cost_table(findings)


def cells(table: Table, label: str) -> dict[str, str]:
    (row,) = (row for row in table.rows if row[0] == label)
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
    table, details, _ = tables(study)
    differences = [100 * (ours - theirs) for ours, theirs in zip(GOOD, BASE, strict=True)]
    mean, half = np.mean(differences), 2.446912 * np.std(differences, ddof=1) / math.sqrt(7)
    score = f"{100 * np.mean(GOOD):.2f} ± {100 * np.std(GOOD, ddof=1):.2f}"
    assert cells(table, "power") == {
        "loss": "power",
        "verdict": "▲ better",
        "difference (points)\n95 % interval": f"{mean:+.2f}\n{mean - half:+.2f} to {mean + half:+.2f}",
        "score (%)\nmean ± sd": score,
        "diverged\nor collapsed": EMPTY,
        "setting": EMPTY,
    }
    row = cells(details, "power")
    expected = {
        "corrected p": "0.016",
        "p": "< 0.001",
        "sign-flip p": "0.016",
        "mean ± sd": score,
        "n": "7",
        "median": "87.00",
        "better in": "100%\n65%-100%",
    }
    assert {name: row[name] for name in expected} == expected
    assert (row["standard error"], row["of the examples"], row["degrees of freedom"]) == (
        f"{np.std(differences, ddof=1) / math.sqrt(7):.2f}", "0%", "6.0",
    )  # fmt: skip
    assert row["collapse"] == "up to 35%\nseen in 0 of 7"
    assert table.title == "test/accuracy of every loss, and paired by seed against cross_entropy"


def test_what_is_not_known_is_empty(study: Path) -> None:
    table, details, _ = tables(study)
    baseline, stranger = cells(table, "cross_entropy"), cells(table, "cosine")
    assert table.rows[0][:3] == ["cross_entropy", "baseline", EMPTY]
    compared = ("difference", "corrected p", "p equivalent", "effect d", "better in")
    assert {cells(details, "cross_entropy")[name] for name in compared} == {EMPTY}
    assert (stranger["verdict"], stranger["score (%)\nmean ± sd"]) == ("no common seed", "90.00")
    assert cells(details, "cosine")["95 % interval"] == EMPTY
    assert baseline["diverged\nor collapsed"] == EMPTY


def test_runs_that_are_lost_are_counted_by_their_kind(study: Path) -> None:
    for seed, reason in ((20, "the training loss is nan at step 3"), (21, "the disk is full")):
        make_run(study, "power", seed, state="failed", status={"reason": reason})
    assert cells(tables(study)[0], "power")["diverged\nor collapsed"] == "1 of 9 diverged, 1 of 9 missing"


def test_a_setting_is_what_the_label_does_not_say(study: Path) -> None:
    for q in (0.5, 2):
        make_run(study, "inverse", settings={"loss.q": q, "loss.p": 1, "loss.weight": None})
    assert cells(tables(study)[0], "inverse q=0.5")["setting"] == "p=1"


def test_p_of_equivalence_has_a_column_of_its_own(tmp_path: Path) -> None:
    for loss, noise in (("cross_entropy", 0), ("power", 0.002)):
        make_arm(tmp_path / "study", loss, [score + noise * (-1) ** k for k, score in enumerate([*BASE, 0.85])])
    table, details, _ = tables(tmp_path)
    assert cells(table, "power")["verdict"] == "■ equivalent"
    row = cells(details, "power")
    assert (row["corrected p"], row["p equivalent"]) == ("1.000", "< 0.001")
    assert cells(tables(tmp_path, metric="test/brier")[1], "power")["p equivalent"] == EMPTY  # no margin is customary


def test_what_is_not_judged_says_so(study: Path) -> None:
    make_run(study, "power", 8, state="running")
    row = cells(tables(study)[0], "power")
    assert row["verdict"] == "not judged yet"
    assert row["difference (points)\n95 % interval"].startswith("+")


def test_one_more_seed_is_one(tmp_path: Path) -> None:
    for loss, shift in (("cross_entropy", 0), ("power", 0.05)):
        make_arm(tmp_path / "study", loss, [score + shift for score in BASE[:5]])
    assert cells(tables(tmp_path)[1], "power")["to decide it"] == "about 1 more seed"


def test_fewer_pairs_than_runs_are_told(study: Path) -> None:
    make_run(study, "power", 40, accuracy=0.9)
    assert cells(tables(study)[0], "power")["difference (points)\n95 % interval"].endswith(", n = 7")


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
    table, *_ = tables(study, metric=metric)
    assert cells(table, "power")[f"{heading}\n95 % interval"].startswith("+")


def test_without_a_baseline_there_are_only_scores(tmp_path: Path) -> None:
    make_arm(tmp_path / "study", "power", GOOD)
    table, details, more = tables(tmp_path)
    assert table.columns == ["loss", "score (%)\nmean ± sd", "diverged\nor collapsed", "setting"]
    assert details.columns == ["loss", "n", "mean ± sd", "95 % interval", "median", "IQM"]
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
    *_, more = tables(study)
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
    row = cells(tables(study)[-1], "inverse")
    assert row["reached it"] == "1 of 3"
    assert [cell for name, cell in row.items() if name.startswith(("steps to", "s to"))] == [EMPTY, EMPTY]


def test_a_run_without_histories_has_no_convergence(study: Path) -> None:
    (make_run(study, "inverse") / "metrics.csv").unlink()
    row = cells(tables(study)[-1], "inverse")
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
        assert head == [in_one_line(name) for name in table.columns]
        assert rule == ["---"] * len(head)
        assert [[in_one_line(cell) for cell in row] for row in table.rows] == rows
        assert "power kind=a|b" in [row[0] for row in rows]


def test_the_terminal_leaves_the_settings_out_where_they_are_longer_than_its_lines(study: Path) -> None:
    make_run(study, "inverse", settings={"loss.long": 1})
    heading = ["loss", "verdict", "95", "%", "interval", "mean", "±", "sd", "or", "collapsed"]
    lines = aligned(tables(study)[0]).split("\n")
    assert lines[1].split() == [*heading, "setting"]
    assert lines[2].startswith("cross_entropy  baseline")
    assert [line for line in lines if line.startswith("inverse") and line.endswith("  long=1")]
    make_run(study, "focal", settings={f"loss.long_name_{k}": k for k in range(9)})
    lines = aligned(tables(study)[0]).split("\n")
    assert lines[1].split() == heading
    assert (max(map(len, lines)) <= 100, "…" in "".join(lines)) == (True, False)


def test_groups_part_the_columns_and_leave_out_what_says_nothing(study: Path) -> None:
    details = tables(study)[1]
    scores, tests, widths = stacked(details)
    assert [len(part.columns) - 1 for part in (scores, tests)] == list(details.groups.values())[:2]
    assert {*details.columns} - {*scores.columns, *tests.columns, *widths.columns} == {"Nadeau-Bengio", "to decide it"}
    assert [row[0] for row in scores.rows] == [row[0] for row in details.rows]
    assert [row[0] for row in tests.rows] == ["power"]
    assert tests.title == "Tests of the difference (points) from cross_entropy"


def test_what_cannot_differ_is_a_line_and_no_column(study: Path) -> None:
    for k in range(3):
        make_run(study, "inverse", k, result={"stacked_runs": 3}, settings={"loss._target_": "lossbench.losses.Cosine"})
    more = tables(study)[-1]
    assert not [name for name in more.columns if name.startswith("s ") or "memory" in name]
    assert "in stacks of 1 to 3 runs" in more.note
    row = cells(more, "inverse")
    assert (row["ECE raw (%)"], row["NLL raw (nats)"]) == (EMPTY, EMPTY)
    assert EMPTY not in (row["ECE scaled (%)"], row["NLL scaled (nats)"])
