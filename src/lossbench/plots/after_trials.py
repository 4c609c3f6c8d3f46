"""Scores after so many trials of a search: a line a loss on a logarithmic axis, with the places where lines cross."""

from collections.abc import Mapping, Sequence
from typing import Any

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
CROSSES = Entry("here a loss crosses the baseline", line=CROSSING, alone=True)


def draw_after_trials(
    curves: Mapping[str, Band],
    *,
    ylabel: str,
    baseline: str,
    twin: str = "",
    crossings: Sequence[float] = (),
) -> Figure:
    """Draw mean scores against the number of trials, with their 95 % intervals shaded.

    Args:
        curves: label -> curve whose steps are numbers of trials >= 1, at least one.
        ylabel: what is drawn, with its unit.
        baseline: label of the line that the others are compared with; drawn in ink.
        twin: label of the baseline's twin; drawn quietly.
        crossings: numbers of trials at which a line crosses that of the baseline.

    Returns:
        The figure, with the key below the axes.

    Raises:
        ValueError: without a curve.
    """
    if not curves:
        raise ValueError("curves must hold at least one entry, got none")
    styles = _styles(list(curves), baseline, twin)
    x = np.concatenate([band.steps for band in curves.values()])
    y = np.concatenate([[band.mean, band.low, band.high] for band in curves.values()], axis=1).ravel()
    entries = [*(Entry(label, line=styles[label]) for label in curves), *[CROSSES] * bool(crossings), SHADED]
    figure, axes = draw_plane(x, y, ("trials of each loss in each replicate", ylabel, ""), entries, (True, False))
    ticks = sorted({int(n) for n in x})
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_major_formatter(FixedFormatter([str(n) for n in ticks]))
    for label, band in curves.items():
        if label != twin:
            axes.fill_between(band.steps, band.low, band.high, color=styles[label]["color"], alpha=0.09, linewidth=0)
        axes.plot(band.steps, band.mean, **styles[label])
    if crossings:
        axes.plot(crossings, _heights(curves[baseline], crossings), **CROSSING)
    return figure


def _styles(labels: Sequence[str], baseline: str, twin: str) -> dict[str, dict[str, Any]]:
    others = [label for label in labels if label not in (baseline, twin)]
    return {baseline: BASELINE, twin: TWIN} | {label: style(k) for k, label in enumerate(others)}


def _heights(band: Band, places: Sequence[float]) -> np.ndarray:
    """The line's heights between its points, straight on the logarithmic axis."""
    return np.interp(np.log(places), np.log(band.steps), band.mean)
