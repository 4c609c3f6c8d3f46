"""Figures with two axes of numbers: names above and below them, the key outside."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lossbench.plots.key import Entry, Key
from lossbench.plots.labels import fit_text
from lossbench.plots.scales import limits, set_scale
from lossbench.plots.sheet import EDGE, ROOM, SIZE, SMALL, WIDTH, Sheet, text_height
from lossbench.plots.theme import QUIET, colour, dashes, marker

HEIGHT = 165.0  # points of the axes
GAP = 6.0
TICKS = 15.0  # points below the axis


def draw_plane(
    x: np.ndarray, y: np.ndarray, texts: tuple[str, str, str], entries: Sequence[Entry], log: tuple[bool, bool]
) -> tuple[Figure, Axes]:
    """Prepare a figure: title, name of the y axis, axes, name of the x axis and key, from the top.

    Args:
        x: all x to be seen, any shape, at least one finite.
        y: all y to be seen; NaN is passed over.
        texts: names of x and y, and the title, which may be empty.
        entries: of the key.
        log: whether x and y are logarithmic.

    Returns:
        The figure and its axes.
    """
    below, beside, above = (
        fit_text(text, ROOM, size, rows=2) for text, size in zip(texts, (SMALL, SMALL, SIZE), strict=True)
    )
    key = Key(entries)
    top = EDGE + text_height(above, SIZE) + text_height(beside) + GAP
    sheet = Sheet(top + HEIGHT + TICKS + text_height(below) + GAP + key.height + EDGE)
    sheet.write(EDGE, EDGE, above, size=SIZE)
    sheet.write(EDGE, EDGE + text_height(above, SIZE), beside, colour=QUIET)
    axes = sheet.axes(EDGE, top, ROOM, HEIGHT)
    left = EDGE + set_scale(axes, "y", limits(y, log=log[1]), HEIGHT, log=log[1]) + GAP
    width = WIDTH - EDGE - GAP - left
    axes.set_position((left / WIDTH, axes.get_position().y0, width / WIDTH, HEIGHT / sheet.height))
    set_scale(axes, "x", limits(x, share=0.03, log=log[0]), width, log=log[0])
    sheet.write(left + width / 2, top + HEIGHT + TICKS, below, colour=QUIET, ha="center")
    key.draw(sheet, EDGE, top + HEIGHT + TICKS + text_height(below) + GAP)
    return sheet.figure, axes


def style(k: int) -> dict[str, Any]:
    """Return matplotlib's properties of the k-th line."""
    return {"color": colour(k), "linestyle": dashes(k), "marker": marker(k), "markersize": 4, "linewidth": 1.4}


def check_arrays(name: str, label: str, arrays: Sequence[np.ndarray]) -> None:
    """Raise ValueError unless there are four arrays (t,) of the same t >= 1."""
    shapes = [np.shape(array) for array in arrays]
    if len(shapes) != 4 or len({*shapes}) != 1 or len(shapes[0]) != 1 or shapes[0][0] == 0:
        raise ValueError(f"{name}[{label!r}] must hold four arrays of the same shape (t,), t >= 1, got {shapes}")
