"""Scores, and differences of scores, against a number of the data: a line a loss, the baseline in ink."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedFormatter, FixedLocator

from lossbench.plots.bands import SHADED, Band
from lossbench.plots.key import Entry
from lossbench.plots.plane import draw_plane, style
from lossbench.plots.theme import FAINT, INK, QUIET

BASELINE: dict[str, Any] = {"color": INK, "linestyle": "solid", "marker": "o", "markersize": 4, "linewidth": 2.0}
MARGIN: dict[str, Any] = {"facecolor": FAINT, "edgecolor": QUIET, "linestyle": ":", "linewidth": 0.7}
SIMULTANEOUS = Entry(
    "shaded: 95 % interval, for all doses and losses together", box={"facecolor": QUIET, "alpha": 0.2, "linewidth": 0},
    alone=True,
)  # fmt: skip


def draw_over_doses(
    curves: Mapping[str, Band],
    *,
    ticks: Mapping[float, str],
    axis: tuple[str, bool],
    ylabel: str,
    baseline: str | None,
) -> Figure:
    """Draw mean scores against doses, with their 95 % intervals shaded.

    Args:
        curves: label -> curve whose steps are places of doses, at least one.
        ticks: place -> how the dose is called.
        axis: name of the doses, and whether their axis is logarithmic (then all places are above 0).
        ylabel: what is drawn, with its unit.
        baseline: label of the line that is drawn in ink; None for none.

    Returns:
        The figure; the key below the axes has each curve's n.

    Raises:
        ValueError: without a curve.
    """
    others = [label for label in curves if label != baseline]
    styles = {label: style(k) for k, label in enumerate(others)} | ({baseline: BASELINE} if baseline else {})
    entries = [*(Entry(label, line=styles[label], tail=f", n = {band.n}") for label, band in curves.items()), SHADED]
    return _draw(curves, styles, ticks, axis, ylabel, entries, None)


def draw_differences(
    curves: Mapping[str, Band],
    *,
    ticks: Mapping[float, str],
    axis: tuple[str, bool],
    ylabel: str,
    baseline: str,
    margin: float | None,
) -> Figure:
    """Draw mean differences from the baseline against doses, with their simultaneous 95 % intervals shaded.

    Args:
        curves: label -> curve whose steps are places of doses, at least one.
        ticks: place -> how the dose is called.
        axis: name of the doses, and whether their axis is logarithmic (then all places are above 0).
        ylabel: what is drawn, with its unit.
        baseline: name of the line at 0.
        margin: half width of the band of differences that do not matter; None for no band.

    Returns:
        The figure; the key below the axes has each curve's n.

    Raises:
        ValueError: without a curve.
    """
    styles = {label: style(k) for k, label in enumerate(curves)}
    zero = Entry(baseline, line={"color": INK, "linewidth": 0.9})
    band = [Entry("margin", box=MARGIN)] if margin else []
    entries = [
        *(Entry(label, line=styles[label], tail=f", n = {band.n}") for label, band in curves.items()),
        zero,
        *band,
        SIMULTANEOUS,
    ]
    return _draw(curves, styles, ticks, axis, ylabel, entries, margin or 0.0)


def _draw(
    curves: Mapping[str, Band],
    styles: Mapping[str, dict[str, Any]],
    ticks: Mapping[float, str],
    axis: tuple[str, bool],
    ylabel: str,
    entries: list[Entry],
    margin: float | None,
) -> Figure:
    """Draw the lines; a margin, 0 for none, adds the line of no difference."""
    if not curves:
        raise ValueError("curves must hold at least one entry, got none")
    level = np.empty(0) if margin is None else np.array([-margin, 0.0, margin])
    y = np.concatenate([level, *(height for band in curves.values() for height in (band.mean, band.low, band.high))])
    name, is_log = axis
    figure, axes = draw_plane(np.array([*ticks], dtype=float), y, (name, ylabel, ""), entries, (is_log, False))
    axes.xaxis.set_major_locator(FixedLocator([*ticks]))
    axes.xaxis.set_major_formatter(FixedFormatter([*ticks.values()]))
    if margin:
        axes.axhspan(-margin, margin, zorder=0.1, **MARGIN)
    if margin is not None:
        axes.axhline(0, color=INK, linewidth=0.9, zorder=1)
    for label, band in curves.items():
        axes.fill_between(band.steps, band.low, band.high, color=styles[label]["color"], alpha=0.1, linewidth=0)
        axes.plot(band.steps, band.mean, **styles[label])
    return figure
