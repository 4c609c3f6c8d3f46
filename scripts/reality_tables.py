"""The tables of the reality check, from what was kept of its fair fights."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from reality_records import rows_of
from reality_studies import AXES

from lossbench.metrics.units import unit_of
from lossbench.report.across.data_sets import TWIN, DataSet
from lossbench.report.across.tables import grid_cell, named
from lossbench.report.formatting import format_difference, format_score
from lossbench.report.tables import EMPTY, Table, markdown

DECIDED = ("better", "worse")


def in_markdown(table: Table) -> str:
    """A table in Markdown, without its title."""
    return markdown(table).split("\n\n", 1)[1]


def said(data_set: DataSet) -> Iterator[str]:
    """The verdicts of one data set in a sentence."""
    base = data_set.losses[data_set.baseline]
    score = format_score(base.mean, unit_of(data_set.metric))
    words = [f"{word} {', '.join(named(data_set, word))}" for word in ("better", "worse") if named(data_set, word)]
    counts = [f"{len(named(data_set, word))} {word}" for word in ("equivalent", "undecided")]
    found = "; ".join([*(words or ["no loss better or worse"]), *counts])
    yield f"**{data_set.name}** ({data_set.baseline} {score} {data_set.metric}, {base.n} replicates): {found}."


def grid_table(studies: Sequence[DataSet]) -> Table:
    """Each loss's difference from the baseline on each data set, with its verdict."""
    losses = dict.fromkeys(loss for each in studies for loss in each.losses)
    rows = [[loss, *(grid_cell(each, loss) for each in studies)] for loss in losses if loss != studies[0].baseline]
    scores = [format_score(each.losses[each.baseline].mean, unit_of(each.metric)) for each in studies]
    return Table("grid", "", ["loss", *(each.name for each in studies)], [[studies[0].baseline, *scores], *rows])


def twin_table(folder: Path, studies: Mapping[str, DataSet]) -> Table:
    """The baseline against itself: what each study's error control found."""
    rows: list[list[str]] = []
    for name in studies:
        twin = next(row for row in rows_of(folder / name / "verdict.csv") if row["arm"].endswith(TWIN))
        low, mean, high = (100 * float(twin[f"difference_{key}"]) for key in ("low", "mean", "high"))
        rows.append([name, twin["difference_verdict"], f"{mean:+.2f} ({low:+.2f} to {high:+.2f})"])
    return Table("twins", "", ["study", "verdict of the twin", "difference, points"], rows)


def cost_table(folder: Path, studies: Mapping[str, DataSet]) -> Table:
    """What each study took, and all together."""
    rows: list[list[str]] = []
    seconds = 0
    for name, place in _places(folder, studies).items():
        about = json.loads((place / "study.json").read_text())
        losses = {row["loss"]: int(row["n"]) for row in rows_of(place / "verdict.csv")}
        size = [f"{len(losses)} and a twin" if name in studies else str(len(losses)), str(min(losses.values()))]
        rows.append([name, *size, f"{about['runs']:,}", _minutes(about["seconds"]), about.get("plan", "")[:8] or EMPTY])
        seconds += about["seconds"]
    columns = ["study", "losses", "replicates", "runs", "took", "plan"]
    return Table("costs", "", columns, [*rows, ["all", *[EMPTY] * 3, _minutes(seconds), EMPTY]])


def _places(folder: Path, studies: Mapping[str, DataSet]) -> dict[str, Path]:
    """Where what was kept of each study lies."""
    doses = {name: folder / "doses" / name for name in AXES}
    return {name: folder / name for name in studies} | {name: path for name, path in doses.items() if path.exists()}


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} min"


def untuned_table(folder: Path, studies: Mapping[str, DataSet]) -> Table:
    """What the declared settings alone would have said, and what is left of it after tuning."""
    rows: list[list[str]] = []
    for name, data_set in studies.items():
        losses = [row for row in rows_of(folder / name / "verdict.csv") if row["default_difference_verdict"] in DECIDED]
        gone = [row for row in losses if row["difference_verdict"] != row["default_difference_verdict"]]
        said = (f"{row['loss']} {row['default_difference_verdict']} ({_points(row, data_set)})" for row in gone)
        rows.append([name, str(len(losses)), str(len(losses) - len(gone)), ", ".join(said) or EMPTY])
    columns = ["study", "better or worse at the defaults", "after tuning too", "not after tuning (points)"]
    return Table("untuned", "", columns, rows)


def _points(row: Mapping[str, str], data_set: DataSet) -> str:
    """The difference at the defaults, and the tuned one."""
    differences = (float(row[f"{name}difference_mean"]) for name in ("default_", ""))
    unit = unit_of(data_set.metric)
    untuned, tuned = (format_difference(value, unit, signed=True, with_unit=False) for value in differences)
    return f"{untuned}, tuned {tuned}"
