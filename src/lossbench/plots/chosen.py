"""The settings that a search chose: a row a loss, a dot a replicate, on the range that was searched."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from lossbench.plots.key import Entry
from lossbench.plots.rows import draw_rows
from lossbench.plots.scales import limits
from lossbench.plots.theme import FAINT, INK, QUIET, colour

SPREAD = 0.26  # of a row, up and down from its middle
DOT: dict[str, Any] = {
    "color": colour(1),
    "marker": "o",
    "markersize": 4,
    "markeredgewidth": 0,
    "linestyle": "none",
    "alpha": 0.75,
}
MIDDLE: dict[str, Any] = {"color": INK, "linestyle": "none", "marker": "|", "markersize": 11, "markeredgewidth": 1.6}
DEFAULT: dict[str, Any] = {
    "color": QUIET,
    "linestyle": "none",
    "marker": "D",
    "markersize": 3.6,
    "markerfacecolor": "none",
}
RANGE: dict[str, Any] = {"facecolor": FAINT, "linewidth": 0}


@dataclass(frozen=True)
class Chosen:
    """What was chosen for one loss.

    Args:
        values: replicate -> setting.
        middle: the median.
        low: of the searched range.
        high: its end.
        default: the declared value.
        words: at the right, such as "5 of 12 at an edge"; may be empty.
    """

    values: Mapping[int, float]
    middle: float
    low: float
    high: float
    default: float
    words: str = ""


def draw_chosen(rows: Mapping[str, Chosen], *, xlabel: str, log: bool) -> Figure:
    """Draw what was chosen; the height within a row is the replicate, the same in all rows.

    Args:
        rows: label -> what was chosen, at least one.
        xlabel: the setting.
        log: whether its axis is logarithmic.

    Raises:
        ValueError: without a row.
    """
    if not rows:
        raise ValueError("rows must hold at least one entry, got none")
    replicates = sorted(set[int]().union(*(row.values for row in rows.values())))
    heights = np.linspace(-SPREAD, SPREAD, len(replicates)) if len(replicates) > 1 else np.zeros(1)
    height = dict(zip(replicates, heights.tolist(), strict=True))
    seen = [x for row in rows.values() for x in (row.low, row.high, row.default, *row.values.values())]
    words = [row.words for row in rows.values()]
    figure, axes = draw_rows(
        list(rows),
        ends=limits(seen, share=0.03, log=log),
        xlabel=xlabel,
        words=[words] if any(words) else (),
        key=[
            Entry("chosen in one replicate", line=DOT),
            Entry("median", line=MIDDLE),
            Entry("the default", line=DEFAULT),
            Entry("searched range", box=RANGE),
        ],
        height=20.0,
        log=log,
    )
    for place, row in enumerate(rows.values()):
        axes.fill_betweenx([place - 0.36, place + 0.36], row.low, row.high, zorder=0.5, **RANGE)
        axes.plot([row.default], [place], **DEFAULT)
        axes.plot([*row.values.values()], [place + height[r] for r in row.values], **DOT)
        axes.plot([row.middle], [place], **MIDDLE)
    return figure
