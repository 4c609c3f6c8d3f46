"""The cells of a heat map and the bar that explains their colours."""

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.path import Path

from lossbench.plots.scales import limits, set_scale
from lossbench.plots.sheet import SMALL, text_width
from lossbench.plots.theme import FAINT, QUIET

MAP = colormaps["cividis"]
STEPS = 64  # of the colour bar
PRINTED = 8  # most cells a side with their number written
DARK, LIGHT = "#101010", "#ffffff"  # on the colours of the map, in dark pages too
# Cells overlap by half a point: viewers would show the page through the smoothed edges between two.
SEAMLESS = {"edgecolors": "face", "linewidth": 1.0}
HATCHED = {"facecolor": FAINT, "edgecolor": QUIET, "hatch": "/////", "linewidth": 0.0}


def colour_ends(scores: np.ma.MaskedArray) -> tuple[float, float]:
    """Return the ends of the colour scale, low < high."""
    if scores.count() and scores.min() < scores.max():
        return float(scores.min()), float(scores.max())
    return limits(scores.compressed())


def draw_bar(axes: Axes, ends: tuple[float, float], width: float) -> None:
    """Fill axes, width points wide, with the colours from one end of the scale to the other."""
    edges = np.linspace(*ends, STEPS + 1)
    axes.grid(visible=False)
    axes.set_yticks([])
    axes.pcolormesh(edges, [0, 1], (edges[None, 1:] + edges[None, :-1]) / 2, cmap=MAP, **SEAMLESS)
    set_scale(axes, "x", ends, width)


def draw_cells(axes: Axes, scores: np.ma.MaskedArray, ends: tuple[float, float], width: float) -> None:
    """Draw the scores, (b, a), into axes width points wide; masked ones stay empty, up to 8 x 8 show numbers."""
    b, a = scores.shape
    edges = np.arange(a + 1) - 0.5, np.arange(b + 1) - 0.5
    axes.pcolormesh(*edges, scores, cmap=MAP, vmin=ends[0], vmax=ends[1], **SEAMLESS)
    if max(a, b) > PRINTED:
        return
    decimals = _decimals(scores.compressed(), width / a - 3)
    if decimals is None:
        return
    for row, column in zip(*np.nonzero(~np.ma.getmaskarray(scores)), strict=True):
        share = (scores[row, column] - ends[0]) / (ends[1] - ends[0])
        text = f"{scores[row, column]:.{decimals}f}".replace("-", "−")
        axes.text(column, row, text, fontsize=SMALL, ha="center", va="center", color=LIGHT if share < 0.5 else DARK)


def _decimals(scores: np.ndarray, room: float) -> int | None:
    """Return how many decimals tell the scores apart and fit a cell; None if not even whole numbers fit."""
    span = float(np.ptp(scores)) or 1.0
    finest = int(np.clip(2 - np.ceil(np.log10(span)), 0, 5))
    fitting = [d for d in range(finest, -1, -1) if max(text_width(f"{score:.{d}f}", SMALL) for score in scores) <= room]
    return fitting[0] if fitting else None


def mark_cells(axes: Axes, invalid: np.ndarray, best: tuple[int, int] | None) -> None:
    """Hatch the invalid cells, all in one path, and frame the best."""
    if invalid.any():
        corners = np.array([(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5), (-0.5, -0.5)])
        cells = corners + np.argwhere(invalid)[:, None, ::-1]
        axes.add_patch(PathPatch(Path.make_compound_path_from_polys(cells), **HATCHED))
    if best is not None:
        for colour, linewidth in ((LIGHT, 3.4), (DARK, 1.6)):
            corner = (best[1] - 0.5, best[0] - 0.5)
            axes.add_patch(
                Rectangle(
                    corner, 1, 1, facecolor="none", edgecolor=colour, linewidth=linewidth, clip_on=False, zorder=4
                )
            )
