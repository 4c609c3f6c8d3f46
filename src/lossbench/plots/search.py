"""Scores against a searched setting: a panel a loss, a dot a trial, so that the width of a good region can be seen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lossbench.plots.key import Entry, Key
from lossbench.plots.labels import fit_text
from lossbench.plots.scales import limits, set_scale
from lossbench.plots.sheet import EDGE, ROOM, SIZE, SMALL, WIDTH, Sheet, text_height
from lossbench.plots.theme import INK, QUIET, colour

HEIGHT = 74.0  # points of a panel's axes
ACROSS = 2  # panels beside each other
LEFT, GAP, TICKS = 30.0, 12.0, 15.0
SHOWN = 0.25  # of the scores may lie below the axis, where they are drawn at its foot
DOT: dict[str, Any] = {"linestyle": "none", "marker": "o", "markersize": 2.6, "markeredgewidth": 0}
TRIAL: dict[str, Any] = {**DOT, "color": colour(0), "alpha": 0.45}
CHOSEN: dict[str, Any] = {**DOT, "color": colour(1), "markersize": 4.2}
LOST: dict[str, Any] = {**DOT, "color": INK, "marker": "x", "markersize": 3.6, "markeredgewidth": 0.9}
BELOW: dict[str, Any] = {**DOT, "color": QUIET, "marker": "v", "markersize": 3.2}
DEFAULT: dict[str, Any] = {"color": QUIET, "linewidth": 1, "linestyle": ":"}


@dataclass(frozen=True)
class Searched:
    """The trials of one loss.

    Args:
        x: (k,) the setting.
        y: (k,) the score, nan of a trial that diverged.
        chosen: (k,) whether the trial was the best of its replicate.
        default: the declared value of the setting.
    """

    x: np.ndarray
    y: np.ndarray
    chosen: np.ndarray
    default: float


def draw_search(panels: Mapping[str, Searched], *, xlabel: str, ylabel: str, log: bool, best: str = "high") -> Figure:
    """Draw all trials of all losses against one setting, on the same axes in every panel.

    Args:
        panels: label -> trials, at least one.
        xlabel: the setting.
        ylabel: the score, with its unit.
        log: whether the setting's axis is logarithmic.
        best: "high" or "low", the better end of the score's axis.

    Returns:
        The figure.

    Raises:
        ValueError: without a panel.
    """
    if not panels:
        raise ValueError("panels must hold at least one entry, got none")
    down, across = ceil(len(panels) / ACROSS), min(ACROSS, len(panels))
    width = (ROOM - across * (LEFT + GAP) + GAP) / across
    names = {label: fit_text(label, width + LEFT - 4, SIZE, rows=2) for label in panels}
    head = max(text_height(name, SIZE) for name in names.values()) + 2
    key, beside = Key(_entries(panels)), fit_text(ylabel, ROOM, SMALL, rows=2)
    top = EDGE + text_height(beside) + 4
    row = head + HEIGHT + TICKS + 6
    below = fit_text(xlabel, ROOM, SMALL)
    sheet = Sheet(top + down * row + text_height(below) + 6 + key.height + EDGE)
    sheet.write(EDGE, EDGE, beside, colour=QUIET)
    ends = _ends(panels, log, best)
    for k, (label, panel) in enumerate(panels.items()):
        left, upper = EDGE + LEFT + (k % ACROSS) * (width + LEFT + GAP), top + (k // ACROSS) * row
        sheet.write(left, upper, names[label], size=SIZE)
        axes = sheet.axes(left, upper + head, width, HEIGHT)
        set_scale(axes, "x", ends[0], width, log=log)
        set_scale(axes, "y", ends[1], HEIGHT)
        _draw_trials(axes, panel, ends[1], best)
    foot = top + down * row
    sheet.write(WIDTH / 2, foot, below, colour=QUIET, ha="center")
    key.draw(sheet, EDGE, foot + text_height(below) + 6)
    return sheet.figure


def _draw_trials(axes: Axes, panel: Searched, ends: tuple[float, float], best: str) -> None:
    """Draw the dots; what diverged or lies beyond the worse end of the axis stands at that end."""
    worse = ends[0] if best == "high" else ends[1]
    foot = worse + 0.03 * (ends[1] - ends[0]) * (1 if best == "high" else -1)
    lost = np.isnan(panel.y)
    beyond = ~lost & ((panel.y < worse) if best == "high" else (panel.y > worse))
    seen = ~lost & ~beyond
    axes.axvline(panel.default, zorder=1, **DEFAULT)
    for mask, y, style in (
        (seen & ~panel.chosen, panel.y, TRIAL),
        (beyond, np.full(len(lost), foot), BELOW),
        (lost, np.full(len(lost), foot), LOST),
        (seen & panel.chosen, panel.y, CHOSEN),
    ):
        axes.plot(panel.x[mask], y[mask], clip_on=False, **style)


def _ends(panels: Mapping[str, Searched], log: bool, best: str) -> tuple[tuple[float, float], tuple[float, float]]:
    """The ends of both axes: all settings; the scores but the worst quarter, and every chosen one."""
    x = np.concatenate([np.append(panel.x, panel.default) for panel in panels.values()])
    y = np.concatenate([panel.y for panel in panels.values()])
    chosen = np.concatenate([panel.y[panel.chosen] for panel in panels.values()])
    known = y[np.isfinite(y)]
    if not len(known):
        return limits(x, share=0.03, log=log), (0.0, 1.0)
    if best == "high":
        shown = [*chosen, float(np.quantile(known, SHOWN)), float(known.max())]
    else:
        shown = [*chosen, float(np.quantile(known, 1 - SHOWN)), float(known.min())]
    return limits(x, share=0.03, log=log), limits(shown)


def _entries(panels: Mapping[str, Searched]) -> Sequence[Entry]:
    lost = any(np.isnan(panel.y).any() for panel in panels.values())
    return [
        Entry("a trial", line=TRIAL),
        Entry("chosen", line=CHOSEN),
        Entry("the default", line=DEFAULT),
        Entry("worse than the axis shows", line=BELOW),
        *([Entry("diverged", line=LOST)] if lost else []),
    ]
