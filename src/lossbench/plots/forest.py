"""Which losses differ from the baseline, and by how much: forest plots."""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lossbench.plots.key import Entry
from lossbench.plots.rows import draw_interval, draw_rows
from lossbench.plots.scales import limits, spell_one
from lossbench.plots.sheet import ROOM, short
from lossbench.plots.theme import FAINT, INK, QUIET, colour

SIDES = {"better": "right", "worse": "left"}
MARKS = {"better": ("^", colour(2)), "worse": ("v", colour(1)), "equivalent": ("s", colour(0))}
UNDECIDED = ("o", QUIET)
MEAN = Entry(
    "mean and its 95 % interval",
    line={"color": QUIET, "linewidth": 1.4, "marker": "o", "markersize": 4, "markerfacecolor": FAINT},
)


@dataclass(frozen=True)
class ForestRow:
    """What one label's runs scored more than the baseline's.

    Args:
        label: any name.
        mean: of the paired differences, in the figure's unit; NaN draws nothing.
        low: lower end of the 95 % interval, NaN where there is none (n = 1).
        high: upper end.
        verdict: "better", "worse", "equivalent" or "undecided"; other words are drawn as undecided.
        n: pairs, >= 0.
    """

    label: str
    mean: float
    low: float
    high: float
    verdict: str
    n: int


def draw_forest(
    rows: Sequence[ForestRow], *, margin: float | None, unit: str, baseline: str, higher: str = "better"
) -> Figure:
    """Draw each label's mean difference from the baseline with its 95 % interval, the verdict and n.

    Args:
        rows: from the top, at least one.
        margin: half width of the band of differences that do not matter, >= 0, in the unit; None for no band.
        unit: of the differences, such as "percentage points".
        baseline: name of the label that the others are compared with.
        higher: "better" or "worse", what a difference above 0 means.

    Returns:
        The figure; the marker shows the verdict: ▲ better, ▼ worse, ■ equivalent, ○ undecided.

    Raises:
        ValueError: without a row, on a negative margin or another word for higher.
    """
    _check(rows, margin, higher)
    figure, axes = draw_rows(
        [row.label for row in rows],
        ends=_ends(rows, margin or 0),
        xlabel=f"difference from {short(baseline, ROOM / 2)} ({unit}), {SIDES[higher]} is better",
        words=[[row.verdict for row in rows], [f"n = {row.n}" for row in rows]],
        key=[MEAN, _margin_entry(margin, unit)] if margin else [MEAN],
    )
    if margin:
        _draw_margin(axes, margin)
    axes.axvline(0, color=INK, linewidth=0.9, zorder=1)
    for place, row in enumerate(rows):
        shape, paint = MARKS.get(row.verdict, UNDECIDED)
        inside = FAINT if shape == "o" else paint
        draw_interval(axes, place, (row.mean, row.low, row.high), paint, marker=shape, markerfacecolor=inside)
    return figure


def _check(rows: Sequence[ForestRow], margin: float | None, higher: str) -> None:
    if not rows:
        raise ValueError("rows must hold at least one entry, got none")
    if margin is not None and not margin >= 0:
        raise ValueError(f"margin must be None or >= 0, got {margin}")
    if higher not in SIDES:
        raise ValueError(f'higher must be "better" or "worse", got {higher!r}')


def _ends(rows: Sequence[ForestRow], margin: float) -> tuple[float, float]:
    values = [value for row in rows for value in (row.mean, row.low, row.high)]
    return limits([0, margin, -margin, *values])


def _margin_entry(margin: float, unit: str) -> Entry:
    box = {"facecolor": FAINT, "edgecolor": QUIET, "linestyle": ":", "linewidth": 0.7}
    return Entry(f"margin: ±{spell_one(margin)} {unit}", box=box)


def _draw_margin(axes: Axes, margin: float) -> None:
    axes.axvspan(-margin, margin, facecolor=FAINT, edgecolor="none", zorder=0.1, gid="margin")
    for side in (-margin, margin):
        axes.axvline(side, color=QUIET, linewidth=0.7, linestyle=":", zorder=0.2)
