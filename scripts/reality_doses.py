"""Figures and tables of studies over a number of the data, such as the share of wrong labels, from what was kept."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from reality_records import rows_of
from reality_studies import AXES, EPOCHS

from lossbench.plots.bands import Band
from lossbench.plots.doses import draw_over_doses
from lossbench.report.formatting import MARKS
from lossbench.report.tables import EMPTY, Table

Rows = Sequence[Mapping[str, str]]
BASELINE = "cross_entropy"


def dose_table(folder: Path, name: str) -> Table:
    """A row for each loss: its difference at each dose, and the trend."""
    rows, axis = rows_of(folder / "doses" / name / "verdict.csv"), AXES[name]
    trends = {row["loss"]: row for row in rows_of(folder / "doses" / name / "trend.csv")}
    doses = list(dict.fromkeys(row[axis] for row in rows))
    losses = list(dict.fromkeys(row["loss"] for row in rows))
    found = {(row["loss"], row[axis]): row for row in rows}
    cells = [[loss, *(_cell(found[loss, dose]) for dose in doses), _trend(trends.get(loss))] for loss in losses]
    return Table(name, "", ["loss", *(f"{axis}={dose}" for dose in doses), "trend"], cells)


def draw_doses(folder: Path, name: str) -> Figure:
    """Scores of a study against its dose."""
    axis = AXES[name]
    rows = [{**row, "dose": row[axis]} for row in rows_of(folder / "doses" / name / "verdict.csv")]
    return _draw(rows, axis, log=axis == "images_per_class")


def draw_tiny(folder: Path) -> Figure:
    """Scores of tuned losses against the number of images of each class, a fair fight at each."""
    rows: list[dict[str, str]] = []
    for n in EPOCHS:
        path = folder / f"tiny_{n}" / "verdict.csv"
        found = rows_of(path) if path.exists() else []
        rows += [{**row, "dose": str(n), "place": str(n)} for row in found if "(twin)" not in row["arm"]]
    return _draw(rows, "images_per_class", log=True)


def _draw(rows: Rows, axis: str, log: bool) -> Figure:
    losses = dict.fromkeys(row["loss"] for row in rows)
    curves = {loss: _band([row for row in rows if row["loss"] == loss]) for loss in losses}
    ticks = {float(row["place"]): row["dose"] for row in rows}
    return draw_over_doses(
        curves, ticks=ticks, axis=(axis.replace("_", " "), log), ylabel="test accuracy (%)", baseline=BASELINE
    )


def _band(rows: Rows) -> Band:
    """One loss's scores, in percent."""
    place, mean, low, high = (np.array([_number(row[key]) for row in rows]) for key in ("place", "mean", "low", "high"))
    return Band(place, 100 * mean, 100 * low, 100 * high, int(rows[0]["n"]))


def _number(text: str) -> float:
    return float(text) if text else math.nan


def _cell(row: Mapping[str, str]) -> str:
    """The baseline's score, or another loss's difference with the mark of its verdict."""
    if row["baseline"] == "True":
        return f"{100 * float(row['mean']):.2f} %"
    return f"{MARKS[row['difference_verdict']]} {100 * float(row['difference_mean']):+.2f}"


def _trend(row: Mapping[str, str] | None) -> str:
    if row is None:
        return EMPTY
    return f"{MARKS[row['difference_verdict']]} {100 * float(row['difference_mean']):+.2f}"
