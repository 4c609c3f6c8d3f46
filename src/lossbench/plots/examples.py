"""Pictures of examples: what a model sees, and where it is surely wrong."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from lossbench.plots.confusion import check_classes
from lossbench.plots.labels import DPI, INK, POINTS, TITLE_SIZE, fit_text, tell_apart, text_figure
from lossbench.plots.reliability import check_confidence

MOST_IMAGES = 32
COLUMNS = 8
CELL = 1.45  # inches
TINY = 96  # pixels: below that, smoothing would show a blur instead of what the model gets
SIZE = 7.5  # points, of captions


def draw_images(images: np.ndarray, captions: Sequence[str], title: str) -> Figure:
    """Draw a grid of images with a caption under each.

    Args:
        images: (n, H, W, 3) or (n, H, W, 1) uint8, n >= 1; the first 32 are shown.
        captions: n texts; a newline begins a new line, long lines are broken once and then lose their middle.
        title: text above the grid.

    Returns:
        The figure, at most 8 images wide.

    Raises:
        ValueError: on another shape or dtype, or another number of captions than images.
    """
    _check_images(images, least=1)
    if len(captions) != len(images):
        raise ValueError(f"captions must be one for each of the {len(images)} images, got {len(captions)}")
    images, captions = images[:MOST_IMAGES], [_caption(caption) for caption in captions[:MOST_IMAGES]]
    rows = -(-len(images) // COLUMNS)
    columns = -(-len(images) // rows)  # 10 images: 2 x 5, not 8 and 2
    figure = _canvas(
        rows, columns, images.shape[1] / images.shape[2], max(caption.count("\n") + 1 for caption in captions), title
    )
    cells: list[Axes] = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axis in cells[len(images) :]:
        axis.set_axis_off()
    for axis, image, caption in zip(cells, images, captions, strict=False):
        _draw_image(axis, image, caption)
    return figure


def draw_mistakes(
    images: np.ndarray,
    target: np.ndarray,
    predicted: np.ndarray,
    confidence: np.ndarray,
    class_names: Sequence[str],
    n_mistakes_total: int,
    n: int,
) -> Figure:
    """Draw the mistakes a model is surest of, the surest first.

    Args:
        images: (m, H, W, 3) or (m, H, W, 1) uint8, m >= 0: examples in any order; the right ones among them are left
            out.
        target: (m,) integers 0..C-1, the true classes.
        predicted: (m,) integers 0..C-1, the predicted classes.
        confidence: (m,) 0..1, the probability of the predicted class.
        class_names: C names.
        n_mistakes_total: mistakes in the whole split, those in images included.
        n: examples in the whole split, >= 1.

    Returns:
        The figure with at most 32 mistakes; a sentence where there are none.

    Raises:
        ValueError: on wrong shapes, values out of range, or counts that contradict each other.
    """
    _check_images(images, least=0)
    for name, values in {"target": target, "predicted": predicted}.items():
        check_classes(name, values, len(images), len(class_names))
    check_confidence(confidence, len(images))
    wrong = np.flatnonzero(target != predicted)
    if not len(wrong) <= n_mistakes_total <= n or (len(wrong) == 0) != (n_mistakes_total == 0) or n < 1:
        raise ValueError(
            f"{len(wrong)} mistakes given, n_mistakes_total = {n_mistakes_total} and n = {n} contradict each other"
        )
    if not len(wrong):
        return text_figure(f"no mistakes in n = {n:,} examples")
    order = wrong[np.argsort(-confidence[wrong], kind="stable")][:MOST_IMAGES]
    names = tell_apart(class_names)
    captions = [
        f"true: {names[target[i]]}\nsaid: {names[predicted[i]]} ({100 * confidence[i]:.0f}\u00a0%)" for i in order
    ]
    share = f"{100 * n_mistakes_total / n:.1f}\u00a0%"
    title = f"The {len(order)} surest of {n_mistakes_total:,} mistakes in n = {n:,} examples ({share} wrong)"
    return draw_images(images[order], captions, title)


def to_array(figure: Figure) -> np.ndarray:
    """Render a figure to pixels.

    Args:
        figure: any figure; it stays usable.

    Returns:
        (H, W, 3) uint8, H and W its size in inches times its dpi.
    """
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _check_images(images: np.ndarray, least: int) -> None:
    if (
        images.dtype != np.uint8
        or images.ndim != 4
        or images.shape[3] not in (1, 3)
        or 0 in images.shape[1:]
        or len(images) < least
    ):
        raise ValueError(f"images must be uint8 (n, H, W, 1 or 3) with n >= {least}, got {images.dtype} {images.shape}")


def _caption(text: str) -> str:
    """Two rows a line: fewer would cut common class names, more would not be read."""
    lines = text.split("\n")
    return "\n".join(fit_text(line, 0.9 * CELL * POINTS, SIZE, rows=2) for line in lines)


def _canvas(rows: int, columns: int, shape: float, lines: int, title: str) -> Figure:
    cell = CELL * float(np.clip(shape, 0.4, 2.5)) + lines * 1.3 * SIZE / POINTS + 0.06
    width = max(columns * CELL, 3 * CELL)  # room for the title above a single image
    above = fit_text(title, 0.95 * width * POINTS, TITLE_SIZE, rows=2)
    height = rows * cell + (above.count("\n") + 1) * 1.3 * TITLE_SIZE / POINTS + 0.12
    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    figure.suptitle(above, fontsize=TITLE_SIZE, color=INK)
    return figure


def _draw_image(axis: Axes, image: np.ndarray, caption: str) -> None:
    sampling = "nearest" if max(image.shape) <= TINY else None
    axis.imshow(
        image.squeeze(2) if image.shape[2] == 1 else image, cmap="gray", vmin=0, vmax=255, interpolation=sampling
    )
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set_visible(False)
    axis.set_xlabel(caption, fontsize=SIZE, color=INK, labelpad=2)
