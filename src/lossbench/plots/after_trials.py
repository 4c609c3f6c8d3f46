"""Scores after so many trials of a search: a line a loss on a logarithmic axis, with the places where lines cross."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedFormatter, FixedLocator

from lossbench.plots.bands import SHADED, Band
from lossbench.plots.key import Entry
from lossbench.plots.plane import draw_plane, style
from lossbench.plots.theme import INK, QUIET

BASELINE: dict[str, Any] = {"color": INK, "linestyle": "solid", "marker": "o", "markersize": 4, "linewidth": 2.0}
TWIN: dict[str, Any] = {"color": QUIET, "linestyle": (0.0, (1.2, 1.4)), "marker": "none", "linewidth": 1.2}
CROSSING: dict[str, Any] = {
    "marker": "o",
    "markersize": 10,
    "markerfacecolor": "none",
    "linestyle": "none",
    "color": INK,
    "markeredgewidth": 1.1,
}
BEYOND = Entry("lines that leave the axis begin far from it", alone=True)
ROOM_BELOW = 6.0
CROSSES = Entry("here a loss crosses the baseline", line=CROSSING, alone=True)


def draw_after_trials(
    curves: Mapping[str, Band],
    *,
    ylabel: str,
    baseline: str,
    twin: str = "",
    crossings: Sequence[float] = (),
    best: Literal["high", "low"] = "high",
) -> Figure:
    """Draw mean scores against the number of trials, with their 95 % intervals shaded.

    Args:
        curves: label -> curve whose steps are numbers of trials >= 1, at least one.
        ylabel: what is drawn, with its unit.
        baseline: label of the line that the others are compared with; drawn in ink.
        twin: label of the baseline's twin; drawn quietly.
        crossings: numbers of trials at which a line crosses that of the baseline.
        best: the better end of the score's axis; lines that begin far from all others leave it at the worse end.

    Returns:
        The figure, with the key below the axes.

    Raises:
        ValueError: without a curve.
    """
    if not curves:
        raise ValueError("curves must hold at least one entry, got none")
    styles = _styles(list(curves), baseline, twin)
    x = np.concatenate([band.steps for band in curves.values()])
    marks = _heights(curves[baseline], crossings) if crossings else np.empty(0)
    y, is_cut = _seen(list(curves.values()), marks, 1 if best == "high" else -1)
    notes = [*[CROSSES] * bool(crossings), *[BEYOND] * is_cut, SHADED]
    entries = [*(Entry(label, line=styles[label]) for label in curves), *notes]
    figure, axes = draw_plane(x, y, ("trials of each loss in each replicate", ylabel, ""), entries, (True, False))
    ticks = sorted({int(n) for n in x})
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_major_formatter(FixedFormatter([str(n) for n in ticks]))
    for label, band in curves.items():
        if label != twin:
            axes.fill_between(band.steps, band.low, band.high, color=styles[label]["color"], alpha=0.09, linewidth=0)
        axes.plot(band.steps, band.mean, **styles[label])
    axes.plot(crossings, marks, **CROSSING)
    return figure


def _seen(bands: Sequence[Band], marks: np.ndarray, sign: int) -> tuple[np.ndarray, bool]:
    """The heights that the axis shows, and whether a mean lies beyond them.

    The axis reaches as far below the last points as ROOM_BELOW times what they and their intervals span, and to every
    crossing.
    """
    heights = sign * np.concatenate([[band.mean, band.low, band.high] for band in bands], axis=1)
    last = sign * np.array([[band.mean[-1], band.low[-1], band.high[-1]] for band in bands])
    span = float(np.nanmax(last) - np.nanmin(last))
    floor = min([float(last[:, 0].min()) - ROOM_BELOW * span, *(sign * marks)]) if span else -np.inf
    is_cut = bool((heights[0] < floor).any())
    return sign * np.maximum(heights.ravel(), floor), is_cut


def _styles(labels: Sequence[str], baseline: str, twin: str) -> dict[str, dict[str, Any]]:
    others = [label for label in labels if label not in (baseline, twin)]
    return {baseline: BASELINE, twin: TWIN} | {label: style(k) for k, label in enumerate(others)}


def _heights(band: Band, places: Sequence[float]) -> np.ndarray:
    """The line's heights between its points, straight on the logarithmic axis."""
    return np.interp(np.log(places), np.log(band.steps), band.mean)
