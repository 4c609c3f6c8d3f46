"""Figures with one row a label: the labels at the left, an axis in the middle, words at the right."""

from collections.abc import Mapping, Sequence
from math import isfinite, nan
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lossbench.plots.key import Entry, Key
from lossbench.plots.labels import fit_text
from lossbench.plots.scales import set_scale
from lossbench.plots.sheet import EDGE, LINE, ROOM, SIZE, SMALL, WIDTH, Sheet, text_height, text_width
from lossbench.plots.theme import QUIET

LABELS = 0.34 * WIDTH  # most room for the labels
WORDS = 62.0  # most points for a column of words
GAP = 8.0
TICKS = 14.0  # points below the axis
Interval = tuple[float, float, float]  # mean and the ends of its 95 % interval, NaN where there is none
NOTHING: Interval = (nan, nan, nan)


def draw_rows(
    labels: Sequence[str],
    *,
    ends: tuple[float, float],
    xlabel: str,
    words: Sequence[Sequence[str]] = (),
    key: Sequence[Entry] = (),
    height: float = 17.0,
    log: bool = False,
) -> tuple[Figure, Axes]:
    """Prepare a figure whose k-th label is at y = k, from the top.

    Args:
        labels: n >= 1 names of any length.
        ends: of the x axis, low < high.
        xlabel: below the axis.
        words: columns of n words each, at the right.
        key: what stands above the axes.
        height: of a row in points; more when a label needs it.
        log: whether the x axis is logarithmic.

    Returns:
        The figure and its axes.
    """
    left = [fit_text(label, LABELS, SIZE, rows=3) for label in labels]
    right = [[fit_text(word, WORDS, SMALL) for word in column] for column in words]
    row = max(height, *(text_height(text, SIZE) + 4 for text in left), 24 if len(labels) < 3 else 0)
    legend, below = Key(key), fit_text(xlabel, ROOM, SMALL, rows=3)
    top = EDGE + legend.height + (GAP if key else 0)
    sheet = Sheet(top + row * len(labels) + TICKS + text_height(below) + EDGE)
    legend.draw(sheet, EDGE, EDGE)
    end = _write_words(sheet, right, top, row) if right else WIDTH - EDGE - GAP
    start = EDGE + max(text_width(text, SIZE) for text in left) + GAP
    for k, text in enumerate(left):
        sheet.write(EDGE, top + (k + 0.5) * row - text_height(text, SIZE) / 2, text, size=SIZE)
    axes = sheet.axes(start, top, end - start, row * len(labels))
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.set_yticks(range(len(labels)), labels=[])
    axes.tick_params(axis="y", length=0)
    set_scale(axes, "x", ends, end - start, log=log)
    sheet.write((start + end) / 2, top + row * len(labels) + TICKS, below, ha="center", colour=QUIET)
    return sheet.figure, axes


def draw_interval(axes: Axes, y: float, interval: Interval, colour: str, **marker: Any) -> None:
    """Draw a mean with its interval at the height y; nothing of what is NaN."""
    mean, low, high = interval
    if isfinite(low) and isfinite(high):
        axes.plot([low, high], [y, y], color=colour, linewidth=1.6, solid_capstyle="butt")
    if isfinite(mean):
        axes.plot([mean], [y], color=colour, linestyle="none", **{"markersize": 6, "markeredgewidth": 1.2, **marker})


def check_intervals(name: str, intervals: Mapping[str, Interval]) -> None:
    """Raise ValueError unless each label has three numbers."""
    for label, interval in intervals.items():
        if len(interval) != 3:
            raise ValueError(
                f"{name} must hold (mean, low, high) of each label, got {len(interval)} numbers of {label}"
            )


def _write_words(sheet: Sheet, columns: Sequence[Sequence[str]], top: float, row: float) -> float:
    """Write the columns at the right edge; return where the axes end."""
    x = WIDTH - EDGE
    for column in reversed(columns):
        x -= max(text_width(word, SMALL) for word in column)
        for k, word in enumerate(column):
            sheet.write(x, top + (k + 0.5) * row - LINE * SMALL / 2, word)
        x -= GAP
    return x
