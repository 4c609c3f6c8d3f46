"""How far the confidences are off, before and after temperature scaling."""

from collections.abc import Mapping
from math import isfinite

from matplotlib.figure import Figure

from lossbench.plots.key import Entry
from lossbench.plots.rows import NOTHING, Interval, check_intervals, draw_interval, draw_rows
from lossbench.plots.scales import limits
from lossbench.plots.theme import FAINT, QUIET, colour

APART = 0.17  # of a row: raw is drawn above its middle, scaled below
RAW = {"marker": "o", "markerfacecolor": FAINT, "markersize": 5.5}
SCALED = {"marker": "D", "markersize": 4.5}


def draw_calibration(raw: Mapping[str, Interval], scaled: Mapping[str, Interval]) -> Figure:
    """Draw each label's expected calibration error as trained and after temperature scaling.

    Args:
        raw: label -> mean over the seeds and the ends of its 95 % interval, percentage points, 0..100; NaN draws
            nothing.
        scaled: the same with one temperature fitted on the validation data.

    Returns:
        The figure, with a row for every label of either.

    Raises:
        ValueError: without a label.
    """
    labels = list({**raw, **scaled})
    if not labels:
        raise ValueError("raw must hold at least one label, got none")
    check_intervals("raw", raw)
    check_intervals("scaled", scaled)
    values = [value for intervals in (raw, scaled) for interval in intervals.values() for value in interval]
    line = {"linewidth": 1.6}
    figure, axes = draw_rows(
        labels,
        ends=(0.0, limits([0, *values])[1]),
        xlabel="expected calibration error (percentage points), lower is better",
        key=[
            Entry("as trained", line={"color": colour(1), **line, **RAW}),
            Entry("after temperature scaling, fitted on validation data", line={"color": colour(0), **line, **SCALED}),
            Entry("lines beside the marks: 95 % intervals of the mean", alone=True),
        ],
        height=24,
    )
    for place, label in enumerate(labels):
        before, after = (intervals.get(label, NOTHING) for intervals in (raw, scaled))
        if isfinite(before[0]) and isfinite(after[0]):
            axes.plot([before[0], after[0]], [place - APART, place + APART], color=QUIET, linewidth=0.8)
        draw_interval(axes, place - APART, before, colour(1), **RAW)
        draw_interval(axes, place + APART, after, colour(0), **SCALED)
    return figure
