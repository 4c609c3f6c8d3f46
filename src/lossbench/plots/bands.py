"""How a number goes on with another: learning curves, and scores against a setting."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from matplotlib.transforms import ScaledTranslation

from lossbench.plots.key import Entry
from lossbench.plots.labels import POINTS
from lossbench.plots.plane import check_arrays, draw_plane, style
from lossbench.plots.theme import QUIET, colour

MARKERS = 6  # on a learning curve
WIDE = 30.0  # ratio of the largest to the smallest x from which on the axis is logarithmic


@dataclass(frozen=True)
class Band:
    """A mean curve over the seeds with its 95 % interval.

    Args:
        steps: (t,) t >= 1.
        mean: (t,) NaN leaves a gap.
        low: (t,) lower end of the interval, NaN where there is none.
        high: (t,) upper end.
        n: seeds.
    """

    steps: np.ndarray
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    n: int


def draw_bands(curves: Mapping[str, Band], *, ylabel: str, title: str, log_y: bool = False) -> Figure:
    """Draw learning curves: means over the seeds with their 95 % intervals shaded.

    Args:
        curves: label -> curve, at least one.
        ylabel: what is drawn, with its unit.
        title: above the axes, may be empty.
        log_y: draw ratios; ignored unless all means are above 0.

    Returns:
        The figure; the key below the axes says each curve's n.

    Raises:
        ValueError: without a curve, or on arrays that are not (t,) with t >= 1.
    """
    if not curves:
        raise ValueError("curves must hold at least one entry, got none")
    for label, band in curves.items():
        check_arrays("curves", label, [band.steps, band.mean, band.low, band.high])
    log_y = log_y and all((band.mean[np.isfinite(band.mean)] > 0).all() for band in curves.values())
    entries = [Entry(label, line=style(k), tail=f", n = {band.n}") for k, (label, band) in enumerate(curves.items())]
    entries.append(
        Entry("shaded: 95 % interval of the mean", box={"facecolor": QUIET, "alpha": 0.2, "linewidth": 0}, alone=True)
    )
    x, y = (
        np.concatenate(parts)
        for parts in ([c.steps for c in curves.values()], [v for c in curves.values() for v in _heights(c)])
    )
    figure, axes = draw_plane(x, y, ("step", ylabel, title), entries, (False, log_y))
    for k, band in enumerate(curves.values()):
        every = max(1, -(-len(band.steps) // MARKERS))
        axes.fill_between(band.steps, band.low, band.high, color=colour(k), alpha=0.14, linewidth=0)
        axes.plot(band.steps, band.mean, markevery=(k * every // max(len(curves), 1), every), **style(k))
    return figure


def draw_lines(
    lines: Mapping[str, tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]],
    *,
    xlabel: str,
    ylabel: str,
    baseline: tuple[str, float] | None,
) -> Figure:
    """Draw the score against one swept number, a line a label.

    Args:
        lines: label -> x, mean, low and high, each (k,) with k >= 1, in any order; low and high are the 95 % interval, NaN where none.
        xlabel: the swept number; its axis is logarithmic if all x are above 0 and the largest is over 30 times the smallest.
        ylabel: the score, with its unit.
        baseline: a name and its score, drawn across, or None.

    Returns:
        The figure, with the key below the axes.

    Raises:
        ValueError: without a line, or on arrays of different or no length.
    """
    if not lines:
        raise ValueError("lines must hold at least one entry, got none")
    for label, arrays in lines.items():
        check_arrays("lines", label, arrays)
    entries = [Entry(label, line=style(k)) for k, label in enumerate(lines)]
    level = {"color": QUIET, "linewidth": 1.2, "linestyle": ":"}
    if baseline is not None:
        entries.append(Entry(baseline[0], line=level))
    entries.append(
        Entry(
            "bars: 95 % intervals of the mean" + ", moved apart where they would overlap" * (len(lines) > 1), alone=True
        )
    )
    x = np.concatenate([arrays[0] for arrays in lines.values()])
    y = np.concatenate([[baseline[1]] if baseline else [], *(v for arrays in lines.values() for v in arrays[1:])])
    figure, axes = draw_plane(
        x, y, (xlabel, ylabel, ""), entries, (bool(x.min() > 0 and x.max() > WIDE * x.min()), False)
    )
    for k, arrays in enumerate(lines.values()):
        at, mean, low, high = (array[np.argsort(arrays[0], kind="stable")] for array in arrays)
        moved = axes.transData + ScaledTranslation(
            (k - (len(lines) - 1) / 2) * min(3, 15 / len(lines)) / POINTS, 0, figure.dpi_scale_trans
        )
        axes.vlines(at, low, high, color=colour(k), linewidth=1, transform=moved)
        axes.plot(at, mean, transform=moved, **style(k))
    if baseline is not None:
        axes.axhline(baseline[1], **level)
    return figure


def _heights(band: Band) -> list[np.ndarray]:
    return [band.mean, band.low, band.high]
