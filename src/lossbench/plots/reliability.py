"""Whether a model's probabilities can be believed: reliability diagrams."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lossbench.plots.labels import DPI, INK, POINTS, TITLE_SIZE, fit_text
from lossbench.plots.theme import colour, marker

Z95 = 1.96  # as in lossbench.metrics
BINS = 15
# As torch.linspace rounds them, from both ends: an example on an edge falls into its bin of lossbench.metrics.
EDGES = np.concatenate([np.arange(8) / BINS, 1 - np.arange(7, -1, -1) * (1 / BINS)])


class Reliability(NamedTuple):
    """The bins that hold examples, b of them, and the calibration error over all of them."""

    confidence: np.ndarray  # (b,) mean, 0..1
    accuracy: np.ndarray  # (b,) 0..1
    low: np.ndarray  # (b,) Wilson's 95 % interval of the accuracy
    high: np.ndarray
    examples: np.ndarray  # (15,) of every bin, the empty ones included
    ece: float


def reliability(confidence: np.ndarray, correct: np.ndarray) -> Reliability:
    """Compare confidence and accuracy in 15 equal bins of confidence; a bin includes its lower edge, the last one both.

    Args:
        confidence: (n,) 0..1, n >= 1, the probability of the predicted class.
        correct: (n,) bool, whether the prediction was right.

    Returns:
        The bins, and the expected calibration error, 0..1, as in lossbench.metrics.

    Raises:
        ValueError: on wrong shapes or values out of range.
    """
    check_confidence(confidence, len(correct))
    if correct.dtype != bool or correct.ndim != 1 or len(correct) == 0:
        raise ValueError(f"correct must be bool of shape (n,) with n >= 1, got {correct.dtype} {correct.shape}")
    confidence = confidence.astype(np.float64)
    index = np.minimum(np.searchsorted(EDGES, confidence, side="right") - 1, BINS - 1)
    count, sure, right = (np.bincount(index, weights, BINS) for weights in (None, confidence, correct))
    full = count > 0
    m, accuracy = count[full], right[full] / count[full]
    centre = (accuracy + Z95**2 / (2 * m)) / (1 + Z95**2 / m)
    half = Z95 / (1 + Z95**2 / m) * np.sqrt(accuracy * (1 - accuracy) / m + (Z95 / (2 * m)) ** 2)
    return Reliability(
        sure[full] / m, accuracy, centre - half, centre + half, count, float(np.abs(right - sure).sum() / len(correct))
    )


def check_confidence(confidence: np.ndarray, n: int) -> None:
    """Raise ValueError unless confidence is (n,) within 0..1."""
    if confidence.shape != (n,):
        raise ValueError(f"confidence must have shape ({n},), got {confidence.shape}")
    if not ((confidence >= 0) & (confidence <= 1)).all():  # NaN too
        raise ValueError(f"confidence must be within 0..1, got {confidence.min()}..{confidence.max()}")


def draw_reliability(curves: Mapping[str, tuple[np.ndarray, np.ndarray]], title: str) -> Figure:
    """Draw how often a model is right against how sure it is, with the confidences it gave below.

    A line below the diagonal says too sure, above it not sure enough. Bars are 95 % Wilson intervals of each bin's
    accuracy.

    Args:
        curves: name to confidence, (n,) 0..1, and correct, (n,) bool, with n >= 1; such as the raw and the scaled
            probabilities.
        title: text above the diagram.

    Returns:
        The figure; the legend holds each curve's expected calibration error, 0..1, and n.

    Raises:
        ValueError: without a curve, on wrong shapes or values out of range.
    """
    if not curves:
        raise ValueError("curves must hold at least one entry, got none")
    bins = [reliability(confidence, correct) for confidence, correct in curves.values()]
    figure = Figure(figsize=(5.2, 6.7), dpi=DPI, layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[4, 1])
    ideal = above.plot([0, 1], [0, 1], color="0.6", linewidth=1, linestyle=(0, (4, 3)))
    for place, one in enumerate(bins):
        _draw_curve(above, below, one, place)
    _dress(above, below)
    # Texts set afterwards: a label that begins with "_" would be left out of the legend.
    handles = [*above.containers, *ideal]
    legend = above.legend(
        handles, ["."] * len(handles), frameon=False, fontsize=8, loc="lower left", bbox_to_anchor=(-0.02, 1)
    )
    words = [
        f"{fit_text(name, 180, 8)}: ECE {one.ece:.4f}, n = {one.examples.sum():,}"
        for name, one in zip(curves, bins, strict=True)
    ]
    for text, line in zip(legend.get_texts(), [*words, "as often right as it says"], strict=True):
        text.set_text(line)
    figure.suptitle(fit_text(title, 4.9 * POINTS, TITLE_SIZE, rows=2), fontsize=TITLE_SIZE, color=INK)
    return figure


def _draw_curve(above: Axes, below: Axes, one: Reliability, place: int) -> None:
    paint, shape = colour(place), marker(place)
    bars = np.stack([one.accuracy - one.low, one.high - one.accuracy]).clip(min=0)
    above.errorbar(
        one.confidence,
        one.accuracy,
        bars,
        color=paint,
        marker=shape,
        markersize=4,
        linewidth=1.4,
        elinewidth=0.8,
        capsize=2,
    )
    share = 100 * one.examples / one.examples.sum()
    below.stairs(share, EDGES, color=paint, linewidth=1.4)
    below.stairs(share, EDGES, color=paint, fill=True, alpha=0.12)


def _dress(above: Axes, below: Axes) -> None:
    above.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), ylabel="accuracy in the bin (fraction)")
    below.set(xlabel="confidence: probability of the predicted class (fraction)", ylabel="examples (%)")
    for axis in (above, below):
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(alpha=0.25)
        axis.set_axisbelow(True)
