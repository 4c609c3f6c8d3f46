"""What training costs."""

import re
from collections.abc import Mapping
from math import isfinite

from matplotlib.figure import Figure

from lossbench.plots.key import Entry
from lossbench.plots.rows import Interval, check_intervals, draw_interval, draw_rows
from lossbench.plots.scales import limits
from lossbench.plots.theme import QUIET, colour

LARGER = ((7200.0, 3600.0, "h"), (180.0, 60.0, "min"))  # from so many seconds on, so many of them are one


def draw_cost(rows: Mapping[str, Interval], *, unit: str) -> Figure:
    """Draw what each label costs: the mean with its 95 % interval, from 0.

    Args:
        rows: label -> mean and the ends of its interval, >= 0; NaN draws nothing.
        unit: of the values: "s" or such as "seconds per epoch", which large values turn into min or h; others are kept,
            such as "GiB".

    Returns:
        The figure.

    Raises:
        ValueError: without a label.
    """
    if not rows:
        raise ValueError("rows must hold at least one label, got none")
    check_intervals("rows", rows)
    largest = max((value for row in rows.values() for value in row if isfinite(value)), default=0.0)
    divisor, xlabel = _in(unit, largest)
    known = {label: (mean / divisor, low / divisor, high / divisor) for label, (mean, low, high) in rows.items()}
    figure, axes = draw_rows(
        list(rows),
        ends=(0.0, limits([0, *(value for row in known.values() for value in row)])[1]),
        xlabel=xlabel,
        key=[
            Entry(
                "mean and its 95 % interval",
                line={"color": colour(0), "linewidth": 1.6, "marker": "o", "markersize": 5},
            )
        ],
    )
    for place, interval in enumerate(known.values()):
        draw_interval(axes, place, interval, colour(0), marker="o", markersize=5)
        if isfinite(interval[0]):
            axes.plot([0, interval[0]], [place] * 2, color=QUIET, linewidth=0.7, linestyle=":", zorder=1)
    return figure


def _in(unit: str, largest: float) -> tuple[float, str]:
    """Return the divisor of the values and the name of the axis."""
    found = re.fullmatch(r"(?:s|sec|seconds?)\b(.*)", unit.strip())
    if not found:
        return 1.0, unit
    divisor, name = next(((one, larger) for least, one, larger in LARGER if largest >= least), (1.0, "s"))
    return divisor, f"time{found[1] or ' per run'} ({name})"
