"""Lines with intervals: learning curves, and scores against a setting."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.transforms import ScaledTranslation

from lossbench.plots.key import Entry
from lossbench.plots.labels import POINTS
from lossbench.plots.plane import check_arrays, draw_plane, style
from lossbench.plots.theme import QUIET, colour

MARKERS = 6  # on a learning curve
LEVEL: dict[str, Any] = {"color": QUIET, "linewidth": 1.2, "linestyle": ":"}
SHADED = Entry("shaded: 95 % interval of the mean", box={"facecolor": QUIET, "alpha": 0.2, "linewidth": 0}, alone=True)
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


def draw_bands(
    curves: Mapping[str, Band], *, ylabel: str, title: str, log_y: bool = False, xlabel: str = "step"
) -> Figure:
    """Draw learning curves: means over the seeds with their 95 % intervals shaded.

    Args:
        curves: label -> curve, at least one.
        ylabel: what is drawn, with its unit.
        title: above the axes, may be empty.
        log_y: draw ratios; ignored unless all means are above 0.
        xlabel: what the steps are.

    Returns:
        The figure; the key below the axes has each curve's n.

    Raises:
        ValueError: without a curve, or on arrays that are not (t,) with t >= 1.
    """
    if not curves:
        raise ValueError("curves must hold at least one entry, got none")
    for label, band in curves.items():
        check_arrays("curves", label, [band.steps, *_heights(band)])
    bands = list(curves.values())
    entries = [Entry(label, line=style(k), tail=f", n = {band.n}") for k, (label, band) in enumerate(curves.items())]
    x = np.concatenate([band.steps for band in bands])
    y = np.concatenate([height for band in bands for height in _heights(band)])
    is_log = log_y and all(map(_is_positive, bands))
    figure, axes = draw_plane(x, y, (xlabel, ylabel, title), [*entries, SHADED], (False, is_log))
    for k, band in enumerate(bands):
        every = max(1, -(-len(band.steps) // MARKERS))
        axes.fill_between(band.steps, band.low, band.high, color=colour(k), alpha=0.14, linewidth=0)
        axes.plot(band.steps, band.mean, markevery=(k * every // len(bands), every), **style(k))
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
        lines: label -> x, mean, low and high, each (k,) with k >= 1, in any order; low and high are the 95 % interval,
            NaN where none.
        xlabel: the swept number; its axis is logarithmic if all x are above 0 and the largest is over 30 times the
            smallest.
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
    x = np.concatenate([arrays[0] for arrays in lines.values()])
    y = np.concatenate([np.concatenate(arrays[1:]) for arrays in lines.values()])
    y = y if baseline is None else np.append(y, baseline[1])
    is_log = bool(x.min() > 0 and x.max() > WIDE * x.min())
    figure, axes = draw_plane(x, y, (xlabel, ylabel, ""), _line_entries(list(lines), baseline), (is_log, False))
    for k, arrays in enumerate(lines.values()):
        at, mean, low, high = (array[np.argsort(arrays[0], kind="stable")] for array in arrays)
        aside = axes.transData + ScaledTranslation(_aside(k, len(lines)) / POINTS, 0, figure.dpi_scale_trans)
        axes.vlines(at, low, high, color=colour(k), linewidth=1, transform=aside)
        axes.plot(at, mean, transform=aside, **style(k))
    if baseline is not None:
        axes.axhline(baseline[1], **LEVEL)
    return figure


def _line_entries(labels: Sequence[str], baseline: tuple[str, float] | None) -> list[Entry]:
    entries = [Entry(label, line=style(k)) for k, label in enumerate(labels)]
    if baseline is not None:
        entries.append(Entry(baseline[0], line=LEVEL))
    apart = ", moved apart where they would overlap" if len(labels) > 1 else ""
    return [*entries, Entry(f"bars: 95 % intervals of the mean{apart}", alone=True)]


def _aside(k: int, n: int) -> float:
    """Points by which the k-th of n lines is moved to the side, so that their bars stand beside each other."""
    return (k - (n - 1) / 2) * min(3, 15 / n)


def _heights(band: Band) -> list[np.ndarray]:
    return [band.mean, band.low, band.high]


def _is_positive(band: Band) -> bool:
    return bool((band.mean[np.isfinite(band.mean)] > 0).all())
