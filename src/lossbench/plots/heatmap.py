"""Which of two settings, swept together, score best: heat maps."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lossbench.plots.cells import HATCHED, colour_ends, draw_bar, draw_cells, mark_cells
from lossbench.plots.key import Entry, Key
from lossbench.plots.labels import fit_text
from lossbench.plots.scales import spell_one
from lossbench.plots.sheet import EDGE, LINE, ROOM, SMALL, WIDTH, Sheet, text_height, text_width
from lossbench.plots.theme import QUIET

GAP = 6.0
RIGHT = 17.0  # points for half of the last tick label
TICKS = 15.0  # points below an axis
BAR = 9.0  # points
LARGEST = 60.0  # points of a cell's height


def draw_heatmap(
    x: np.ndarray,
    y: np.ndarray,
    mean: np.ndarray,
    *,
    invalid: np.ndarray,
    xlabel: str,
    ylabel: str,
    value: str,
    best: tuple[int, int] | None,
    best_text: str,
) -> Figure:
    """Draw the mean score over two swept numbers, a cell a pair, equally wide whatever the numbers.

    Args:
        x: (a,) ascending, a >= 1.
        y: (b,) ascending, b >= 1; upwards.
        mean: (b, a) scores; NaN means not run unless the cell is invalid.
        invalid: (b, a) bool, pairs that the loss does not allow; hatched.
        xlabel: name of x.
        ylabel: name of y.
        value: name of the score, with its unit.
        best: index into mean (row, column) of the cell to frame, or None.
        best_text: below the map, may be empty.

    Returns:
        The figure; up to 8 x 8 cells show their number.

    Raises:
        ValueError: on wrong shapes, an order that is not ascending or a best cell outside.
    """
    _check(x, y, mean, invalid, best)
    scores = np.ma.masked_where(invalid | ~np.isfinite(mean), mean)
    missing = bool((~invalid & ~np.isfinite(mean)).any())
    boxes = [("not a valid pair", HATCHED)] * bool(invalid.any())
    boxes += [("not run", {"facecolor": "none", "edgecolor": QUIET, "linewidth": 0.7})] * missing
    boxes += [("best", {"facecolor": "none", "edgecolor": QUIET, "linewidth": 2})] * (best is not None)
    key = Key([Entry(text, box=box) for text, box in boxes])
    above, beside, below, caption = (
        fit_text(t, ROOM, SMALL, rows=rows) for t, rows in ((value, 2), (ylabel, 2), (xlabel, 2), (best_text, 4))
    )
    names = [spell_one(number) for number in y]
    left = EDGE + max(text_width(name, SMALL) for name in names) + GAP
    width = WIDTH - RIGHT - left
    height = float(np.clip(width * len(y) / len(x), 22 * min(len(y), 5), min(width, LARGEST * len(y))))
    bar = EDGE + text_height(above) + 3
    top = bar + (BAR + TICKS if scores.count() else 0) + text_height(beside) + GAP
    end = top + height + TICKS
    sheet = Sheet(end + text_height(below) + GAP + key.height + 2 + text_height(caption) + EDGE)
    sheet.write(EDGE, EDGE, above)
    sheet.write(EDGE, top - text_height(beside) - 2, beside, colour=QUIET)
    axes = _axes(sheet, (left, top, width, height), [spell_one(number) for number in x], names)
    colours = colour_ends(scores)
    if scores.count():
        draw_bar(sheet.axes(left, bar, width, BAR), colours, width)
        draw_cells(axes, scores, colours, width)
    mark_cells(axes, invalid, best)
    sheet.write(left + width / 2, end, below, colour=QUIET, ha="center")
    key.draw(sheet, EDGE, end + text_height(below) + GAP)
    sheet.write(EDGE, end + text_height(below) + GAP + key.height + 2, caption)
    return sheet.figure


def _axes(sheet: Sheet, place: tuple[float, float, float, float], columns: Sequence[str], rows: Sequence[str]) -> Axes:
    """Make the axes of the cells; ticks are left out where they would touch."""
    axes = sheet.axes(*place)
    axes.set(xlim=(-0.5, len(columns) - 0.5), ylim=(-0.5, len(rows) - 0.5))
    axes.grid(visible=False)
    axes.spines[:].set(visible=True, color=QUIET, linewidth=0.6)
    widest = max(text_width(name, SMALL) for name in columns)
    across = _stride((widest + GAP) * len(columns) / place[2])
    up = _stride(LINE * SMALL * len(rows) / place[3])
    axes.set_xticks(range(0, len(columns), across), columns[::across])
    axes.set_yticks(range(0, len(rows), up), rows[::up])
    return axes


def _stride(least: float) -> int:
    return max(1, int(np.ceil(least - 1e-9)))


def _check(x: np.ndarray, y: np.ndarray, mean: np.ndarray, invalid: np.ndarray, best: tuple[int, int] | None) -> None:
    _check_ascending("x", x)
    _check_ascending("y", y)
    for name, cells in (("mean", mean), ("invalid", invalid)):
        if cells.shape != (len(y), len(x)):
            raise ValueError(f"{name} must have shape ({len(y)}, {len(x)}), got {cells.shape}")
    if invalid.dtype != bool:
        raise ValueError(f"invalid must be bool, got {invalid.dtype}")
    if best is not None and not (0 <= best[0] < len(y) and 0 <= best[1] < len(x)):
        raise ValueError(f"best must be (row, column) within ({len(y)}, {len(x)}), got {best}")


def _check_ascending(name: str, numbers: np.ndarray) -> None:
    if numbers.ndim != 1 or len(numbers) == 0 or not (np.diff(numbers) > 0).all():
        raise ValueError(f"{name} must be ascending numbers of shape (k,), k >= 1, got {numbers}")
