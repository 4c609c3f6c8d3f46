"""A sheet to draw a figure on: places are in points (1/72 inch) from the top left corner."""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.textpath import text_to_path

from lossbench.plots.labels import DPI, POINTS, fit_text
from lossbench.plots.theme import GRID, INK, QUIET

WIDTH = 4.4 * POINTS  # still legible when a phone shrinks it to its 360 pixels
EDGE = 4.0  # kept free on all sides
ROOM = WIDTH - 2 * EDGE
SIZE, SMALL = 8.5, 8.0  # of text
LINE = 1.3  # height of a line of text, in sizes


class Sheet:
    """An empty, transparent figure of the width that all figures of a report share.

    Args:
        height: points.
    """

    def __init__(self, height: float) -> None:
        self.height = height
        self.figure = Figure(figsize=(WIDTH / POINTS, height / POINTS), dpi=DPI, facecolor="none")

    def axes(self, left: float, top: float, width: float, height: float) -> Axes:
        """Add axes with a quiet line below and none around."""
        place = (left / WIDTH, 1 - (top + height) / self.height, width / WIDTH, height / self.height)
        axes = self.figure.add_axes(place, facecolor="none")
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.spines["bottom"].set_color(QUIET)
        axes.tick_params(which="both", length=2.5, pad=2.5, labelsize=SMALL, color=QUIET, labelcolor=QUIET)
        axes.minorticks_off()
        axes.grid(color=GRID, linewidth=0.6)
        axes.set_axisbelow(True)
        return axes

    def write(
        self, x: float, top: float, text: str, *, size: float = SMALL, colour: str = INK, ha: str = "left"
    ) -> None:
        """Write lines made by fit_text below each other, each its own text, so that another font keeps its middle."""
        for k, line in enumerate(text.split("\n") if text else []):
            half = text_width(line, size) / 2 if ha == "center" else -ROOM
            inside = min(max(x, EDGE + half), WIDTH - EDGE - half)
            base = top + (k + 0.5) * LINE * size + 0.36 * size
            self.figure.text(
                inside / WIDTH, 1 - base / self.height, line, fontsize=size, color=colour, ha=ha, va="baseline"
            )

    def line(self, x: Sequence[float], y: float, **style: Any) -> None:
        """Draw a level line, with its markers, through the places x."""
        places = [place / WIDTH for place in x]
        self.figure.add_artist(
            Line2D(places, [1 - y / self.height] * len(places), transform=self.figure.transFigure, **style)
        )

    def box(self, left: float, top: float, width: float, height: float, **style: Any) -> None:
        """Draw a rectangle."""
        corner = (left / WIDTH, 1 - (top + height) / self.height)
        transform = self.figure.transFigure
        self.figure.add_artist(Rectangle(corner, width / WIDTH, height / self.height, transform=transform, **style))


def text_width(text: str, size: float) -> float:
    """Width in points of the widest line of a text made by fit_text."""
    lines = text.replace(r"\$", "$").split("\n")
    return max(
        text_to_path.get_text_width_height_descent(line, FontProperties(size=size), ismath=False)[0] if line else 0.0
        for line in lines
    )


def text_height(text: str, size: float = SMALL) -> float:
    """Height in points of a text made by fit_text; 0 for none."""
    return LINE * size * (text.count("\n") + 1) if text else 0.0


def short(text: str, width: float, size: float = SMALL) -> str:
    """Shorten a name that becomes part of a sentence, which fit_text then makes ready for matplotlib."""
    return fit_text(text, width, size).replace(r"\$", "$")
