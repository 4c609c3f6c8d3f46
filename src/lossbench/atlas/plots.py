"""Pictures of losses: panels above each other that share the x axis, and contours over two logits."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from lossbench.plots.cells import MAP
from lossbench.plots.key import Entry, Key
from lossbench.plots.labels import fit_text
from lossbench.plots.scales import limits, set_scale, spell_one
from lossbench.plots.sheet import EDGE, ROOM, SMALL, WIDTH, Sheet, text_height
from lossbench.plots.theme import DASHES, FAINT, GRID, QUIET, colour

HEIGHT = 92.0  # points of a panel
GAP = 6.0
TICKS = 15.0  # points below an axis
TALL = 230.0  # points of a contour
LEFT = 40.0  # points for the numbers beside the panels
LEVELS = 7
KEPT, STEEP = 0.93, 3.0  # the share of a line that is kept where its end is so many times larger than the rest
SHADE: dict[str, Any] = {"facecolor": GRID, "linewidth": 0}
REFERENCE: dict[str, Any] = {"color": QUIET, "linewidth": 1.1, "linestyle": (0.0, (3.0, 2.0))}


@dataclass(frozen=True)
class Line:
    """One line of a panel.

    Args:
        x: (n,) places.
        y: (n,) values; NaN leaves a gap.
        style: matplotlib's properties.
        rules: whether the panel's axis shows all of it; the others are cut off where they leave.
    """

    x: np.ndarray
    y: np.ndarray
    style: dict[str, Any]
    rules: bool = True


@dataclass(frozen=True)
class Area:
    """A shaded area of a panel.

    Args:
        x: (n,) places.
        low: (n,) its lower end.
        high: (n,) its upper end.
    """

    x: np.ndarray
    low: np.ndarray
    high: np.ndarray


@dataclass(frozen=True)
class Panel:
    """Axes with a name above them.

    Args:
        name: of what is drawn.
        lines: at least one that rules.
        log: whether equal heights are equal ratios.
        cut: whether the axis leaves out the steepest ends of lines that run to infinity.
        area: shaded behind the lines, as far as the axis shows it.
    """

    name: str
    lines: Sequence[Line]
    log: bool = False
    cut: bool = False
    area: Area | None = None


def style(k: int) -> dict[str, Any]:
    """Matplotlib's properties of the k-th line, without markers."""
    return {"color": colour(k), "linestyle": DASHES[k % len(DASHES)], "linewidth": 1.5}


def draw_panels(
    panels: Sequence[Panel], xlabel: str, entries: Sequence[Entry], *, ends: tuple[float, float], log_x: bool = False
) -> Figure:
    """Draw panels above each other.

    Args:
        panels: from the top.
        xlabel: name of the axis that they share.
        entries: of the key below.
        ends: of that axis.
        log_x: whether equal widths are equal ratios.

    Returns:
        The figure.
    """
    names = [fit_text(panel.name, ROOM, SMALL, rows=2) for panel in panels]
    key, below = Key(entries), fit_text(xlabel, ROOM, SMALL, rows=2)
    heights = [text_height(name) + 3 + HEIGHT + TICKS for name in names]
    sheet = Sheet(EDGE + sum(heights) + text_height(below) + (GAP + key.height if entries else 0) + EDGE)
    width, top = WIDTH - LEFT - EDGE - GAP, EDGE
    for panel, name, height in zip(panels, names, heights, strict=True):
        sheet.write(EDGE, top, name, colour=QUIET)
        axes = sheet.axes(LEFT, top + text_height(name) + 3, width, HEIGHT)
        set_scale(axes, "y", _ends(panel), HEIGHT, log=panel.log)
        set_scale(axes, "x", ends, width, log=log_x)
        if panel.area is not None:
            axes.fill_between(panel.area.x, panel.area.low, panel.area.high, **SHADE)
        for line in panel.lines:
            axes.plot(line.x, line.y, **line.style)
        top += height
    sheet.write(LEFT + width / 2, top, below, colour=QUIET, ha="center")
    key.draw(sheet, EDGE, top + text_height(below) + GAP)
    return sheet.figure


def draw_contour(axis: np.ndarray, norm: np.ndarray, xlabel: str, ylabel: str) -> Figure:
    """Draw a positive quantity over two numbers as filled levels.

    Args:
        axis: (n,) ascending, of both numbers.
        norm: (n, n), rows upwards.
        xlabel: name of the columns.
        ylabel: name of the rows.

    Returns:
        The figure; the key names the levels.
    """
    bounds = _bounds(norm)
    colours = [to_hex(c) for c in MAP(np.linspace(0, 1, len(bounds) + 1))]
    said = [spell_one(bound) for bound in bounds]
    texts = [f"below {said[0]}", *(f"{low} to {high}" for low, high in pairwise(said)), f"above {said[-1]}"]
    entries = [Entry(text, box={"facecolor": c, "linewidth": 0}) for text, c in zip(texts, colours, strict=True)]
    key, beside, below = Key(entries), fit_text(ylabel, ROOM, SMALL), fit_text(xlabel, ROOM, SMALL)
    top = EDGE + text_height(beside) + 3
    sheet = Sheet(top + TALL + TICKS + text_height(below) + GAP + key.height + EDGE)
    sheet.write(EDGE, EDGE, beside, colour=QUIET)
    width, ends = WIDTH - LEFT - EDGE - GAP, (float(axis[0]), float(axis[-1]))
    axes = sheet.axes(LEFT, top, width, TALL)
    axes.set_facecolor(FAINT)
    ends_of_levels = [min(bounds[0], float(norm.min())) - 1, *bounds, max(bounds[-1], float(norm.max())) + 1]
    axes.contourf(axis, axis, norm, levels=ends_of_levels, colors=colours)
    axes.grid(visible=False)
    set_scale(axes, "y", ends, TALL)
    set_scale(axes, "x", ends, width)
    sheet.write(LEFT + width / 2, top + TALL + TICKS, below, colour=QUIET, ha="center")
    key.draw(sheet, EDGE, top + TALL + TICKS + text_height(below) + GAP)
    return sheet.figure


def _bounds(norm: np.ndarray) -> list[float]:
    """Find bounds between colours, of two digits: equal steps, or equal ratios where values differ a hundredfold."""
    low, high = (float(end) for end in np.quantile(norm, (0.02, 0.98)))
    many = high > 0 and low <= 0.01 * high
    steps = np.geomspace(max(low, 1e-4 * high), high, LEVELS + 1) if many else np.linspace(low, high, LEVELS + 1)
    return sorted({float(f"{step:.2g}") for step in steps[1:-1]})


def _ends(panel: Panel) -> tuple[float, float]:
    values = np.concatenate([line.y for line in panel.lines if line.rules])
    seen = values[np.isfinite(values)]
    if panel.cut and len(seen):
        reach = np.abs(seen - np.median(seen))
        most = np.quantile(reach, KEPT)
        seen = seen[reach <= most] if reach.max() > STEEP * most else seen
    return limits(seen, log=panel.log)
