"""The differences from the baseline as a forest plot that a page draws at any width: places are shares of it."""

from collections.abc import Sequence
from math import isnan
from typing import NamedTuple

from lossbench.plots.forest import SIDES, ForestRow
from lossbench.plots.scales import limits, round_ticks, spell_one
from lossbench.report import figure_data as data
from lossbench.report.comparison import Comparison

MOST_TICKS = 5
SHAPES = {
    "better": "M0-6 5.5 4-5.5 4Z",
    "worse": "M0 6 5.5-4-5.5-4Z",
    "equivalent": "M-4.5-4.5h9v9h-9Z",
    "undecided": "M-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0-9 0Z",
}
"""Verdict -> outline of its mark, as an SVG path around (0, 0) in CSS pixels."""


class ForestMark(NamedTuple):
    """A row of the plot: its ends and its mean in percent of the width, None where there is no interval (n = 1)."""

    label: str
    verdict: str
    shape: str
    mean: str
    low: str | None
    high: str | None


class ForestPlot(NamedTuple):
    """What the page draws.

    Args:
        rows: from the top.
        zero: place of no difference.
        margin: place where the band of differences that do not matter begins, and its width; None for no band.
        ticks: places and numbers of the axis.
        axis: what the axis shows.
        summary: the same in words, in place of the picture.
        note: what else to know.
    """

    rows: Sequence[ForestMark]
    zero: str
    margin: tuple[str, str] | None
    ticks: Sequence[tuple[str, str]]
    axis: str
    summary: str
    note: str


class Axis(NamedTuple):
    """The ends of the axis; places on it are shares of its length."""

    low: float
    high: float

    def share(self, length: float) -> str:
        """A length in percent of the axis."""
        return f"{100 * length / (self.high - self.low):.2f}%"

    def place(self, value: float) -> str:
        """Where a value lies, in percent from the left."""
        return self.share(value - self.low)

    def mark(self, row: ForestRow) -> ForestMark:
        """Lay out a row."""
        low, high = (None if isnan(value) else self.place(value) for value in (row.low, row.high))
        return ForestMark(row.label, row.verdict, SHAPES[row.verdict], self.place(row.mean), low, high)


def forest_plot(comparison: Comparison) -> ForestPlot | None:
    """Lay out the plot; None without an arm that was compared."""
    shown = data.shown_arms(comparison)
    rows = data.forest_rows(comparison, shown.arms)
    if comparison.baseline is None or not rows:
        return None
    unit, baseline = comparison.unit, comparison.baseline.label
    margin = unit.factor * (comparison.margin or 0)
    axis = _axis_of(rows, margin)
    name = unit.difference or comparison.metric
    band = f"The grey band is the margin, ±{margin:.{unit.digits}f} {name}." if margin else ""
    return ForestPlot(
        rows=[axis.mark(row) for row in rows],
        zero=axis.place(0),
        margin=(axis.place(-margin), axis.share(2 * margin)) if margin else None,
        ticks=[(axis.place(value), text) for value, text in round_ticks(*axis, MOST_TICKS)],
        axis=f"difference from {baseline} ({name}), {SIDES['better']} is better",
        summary=f"Mean differences from {baseline} ({name}): {_means(rows)}.",
        note=band + shown.cut,
    )


def _axis_of(rows: Sequence[ForestRow], margin: float) -> Axis:
    values = [value for row in rows for value in (row.mean, row.low, row.high)]
    return Axis(*limits([0, margin, -margin, *values]))


def _means(rows: Sequence[ForestRow]) -> str:
    return ", ".join(f"{row.label} {spell_one(row.mean)}" for row in rows)
