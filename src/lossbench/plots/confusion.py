"""Which classes a model takes for which others."""

from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, PowerNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from lossbench.plots.labels import DPI, INK, POINTS, QUIET, TITLE_SIZE, fit_text, tell_apart

MOST_NUMBERED = 25  # classes: more numbers are not read
MOST_NAMED = 60
MOST_POINTS = 400  # rows and columns drawn: about two pixels each
PAIRS = 12
SIZE = 8  # points
NAME = 125  # points, the longest class name at the sides
# White is for no example at all; one in a thousand must be seen.
COLOURS = ListedColormap(["white", *matplotlib.colormaps["Blues"](np.linspace(0.15, 1, 255))]).with_extremes(bad="0.88")
SHADE = PowerNorm(0.5, 0, 100)  # the square root, so that a few percent beside the diagonal are seen


def draw_confusion(target: np.ndarray, predicted: np.ndarray, class_names: Sequence[str]) -> Figure:
    """Draw which classes are taken for which: a row holds what the examples of one true class were called, in percent.

    Up to 25 classes the cells hold numbers; more classes make a heat map beside the 12 commonest confusions, up to 60
    classes with names at its sides. A row without examples is grey. Above 400 classes a point shows the largest of a
    block of cells.

    Args:
        target: (n,) integers 0..C-1, n >= 1, the true classes.
        predicted: (n,) integers 0..C-1, the predicted classes.
        class_names: C names, C >= 1.

    Returns:
        The figure.

    Raises:
        ValueError: on wrong shapes or a class outside 0..C-1.
    """
    counts = count_confusions(target, predicted, len(class_names))
    names = tell_apart(class_names)
    return _draw_numbers(counts, names) if len(names) <= MOST_NUMBERED else _draw_map(counts, names)


def count_confusions(target: np.ndarray, predicted: np.ndarray, n_classes: int) -> np.ndarray:
    """Count how often each class was called each.

    Args:
        target: (n,) integers 0..C-1, n >= 1, the true classes.
        predicted: (n,) integers 0..C-1.
        n_classes: C >= 1.

    Returns:
        (C, C) int64; a row is a true class.

    Raises:
        ValueError: on wrong shapes or a class outside 0..C-1.
    """
    if target.ndim != 1 or len(target) == 0:
        raise ValueError(f"target must have shape (n,) with n >= 1, got {target.shape}")
    for name, values in {"target": target, "predicted": predicted}.items():
        check_classes(name, values, len(target), n_classes)
    cell = target.astype(np.int64) * n_classes + predicted.astype(np.int64)
    return np.bincount(cell, minlength=n_classes**2).reshape(n_classes, n_classes)


def check_classes(name: str, values: np.ndarray, n: int, n_classes: int) -> None:
    """Raise ValueError unless values are (n,) integers 0..n_classes-1; name is what the message calls them."""
    if values.shape != (n,) or not np.issubdtype(values.dtype, np.integer):
        raise ValueError(f"{name} must be integers of shape ({n},), got {values.dtype} {values.shape}")
    if n and not 0 <= values.min() <= values.max() < n_classes:
        raise ValueError(f"{name} must be within 0..{n_classes - 1}, got {values.min()}..{values.max()}")


def percent_of_rows(counts: np.ndarray) -> np.ma.MaskedArray:
    """Divide each row by its sum: (C, C) percent, masked where a row is empty."""
    n = counts.sum(axis=1, keepdims=True)
    return np.ma.masked_array(100 * counts / np.maximum(n, 1), mask=np.broadcast_to(n == 0, counts.shape))


def most_confused(counts: np.ndarray, most: int = PAIRS) -> list[tuple[int, int]]:
    """Find the commonest mistakes.

    Args:
        counts: (C, C), a row is a true class.
        most: how many to return at most.

    Returns:
        (true, predicted) by falling count, then by falling share of the true class, then by class; only pairs that
            occurred.
    """
    true, predicted = np.nonzero(counts * ~np.eye(len(counts), dtype=bool))
    # Equal counts: the smaller class is confused more.
    order = np.lexsort((counts.sum(axis=1)[true], -counts[true, predicted]))[:most]
    return [(int(true[i]), int(predicted[i])) for i in order]


def _draw_numbers(counts: np.ndarray, names: list[str]) -> Figure:
    side = max(2.6, 0.4 * len(names))
    figure = Figure(figsize=(side + 2.6, side + 2.3), dpi=DPI, layout="constrained")
    axis = figure.add_subplot()
    percent = percent_of_rows(counts)
    _heat(axis, percent)
    _name_sides(axis, counts, names, SIZE)
    for row, column in zip(*np.nonzero(counts), strict=True):
        value = percent[row, column]
        colour = "white" if SHADE(value) > 0.55 else INK
        axis.text(
            column, row, f"{value:.0f}" if value >= 0.5 else "<1", ha="center", va="center", fontsize=SIZE, color=colour
        )
    _title(figure, counts, "percent of each true class (row)")
    return figure


def _draw_map(counts: np.ndarray, names: list[str]) -> Figure:
    figure = Figure(figsize=(11, 7.2), dpi=DPI, layout="constrained")
    axis, side = figure.subplots(1, 2, width_ratios=[7.8, 3.2])
    block = -(-len(names) // MOST_POINTS)
    image = _heat(axis, _largest_of_blocks(percent_of_rows(counts), block), block)
    figure.colorbar(
        image, ax=axis, label="percent of the true class", ticks=[0, 1, 5, 10, 25, 50, 75, 100], shrink=0.6, pad=0.02
    )
    if len(names) <= MOST_NAMED:
        _name_sides(axis, counts, names, 6)
    else:
        axis.set(xlabel="said (class index)", ylabel="true class (index)")
    _list_pairs(side, counts, names)
    _title(figure, counts, f"each point the largest of {block} x {block} classes" if block > 1 else "")
    return figure


def _heat(axis: Axes, percent: np.ma.MaskedArray, block: int = 1) -> AxesImage:
    extent = (-0.5, percent.shape[1] * block - 0.5, percent.shape[0] * block - 0.5, -0.5)
    axis.tick_params(length=0, colors=INK)
    axis.spines[:].set_edgecolor("0.8")
    return axis.imshow(percent, cmap=COLOURS, norm=SHADE, interpolation="nearest", extent=extent)


def _largest_of_blocks(percent: np.ma.MaskedArray, block: int) -> np.ma.MaskedArray:
    """Shrink by taking maxima: a mean, or dropping rows, would hide the few cells beside the diagonal that matter."""
    pad = -len(percent) % block
    filled = np.pad(percent.filled(-1), ((0, pad), (0, pad)), constant_values=-1)
    size = len(filled) // block
    return np.ma.masked_less(filled.reshape(size, block, size, block).max(axis=(1, 3)), 0)


def _name_sides(axis: Axes, counts: np.ndarray, names: list[str], size: float) -> None:
    short = [fit_text(name, NAME, size) for name in names]
    with_n = [f"{name} ({n})" for name, n in zip(short, counts.sum(axis=1), strict=True)]
    axis.set_yticks(range(len(names)), with_n, fontsize=size)
    axis.set_xticks(range(len(names)), short, fontsize=size, rotation=90)
    axis.set(xlabel="said", ylabel="true class (number of examples)")


def _list_pairs(axis: Axes, counts: np.ndarray, names: list[str]) -> None:
    pairs, n = most_confused(counts), counts.sum(axis=1)
    axis.set_axis_off()
    axis.set(xlim=(0, 1), ylim=(2 * PAIRS + 2, 0))
    axis.text(
        0,
        0.5,
        f"The {len(pairs)} commonest mistakes" if pairs else "No mistakes",
        fontsize=SIZE + 1,
        weight="bold",
        color=INK,
    )
    for place, (true, predicted) in enumerate(pairs):
        first, second = (fit_text(name, 150, SIZE) for name in (names[true], names[predicted]))
        axis.text(0, 2 * place + 2, first, fontsize=SIZE, color=INK)
        axis.text(1, 2 * place + 2, f"{counts[true, predicted]} of {n[true]}", fontsize=SIZE, color=INK, ha="right")
        axis.text(0, 2 * place + 2.85, f"→ {second}", fontsize=SIZE, color=QUIET)


def _title(figure: Figure, counts: np.ndarray, more: str) -> None:
    n = counts.sum()
    text = ", ".join(
        filter(
            None, [f"{len(counts):,} classes, n = {n:,} examples, {100 * np.trace(counts) / n:.1f}\u00a0% right", more]
        )
    )
    figure.suptitle(
        fit_text(text, 0.95 * figure.get_figwidth() * POINTS, TITLE_SIZE, rows=3), fontsize=TITLE_SIZE, color=INK
    )
