"""How often a classifier is right on the classes with many, some and few training examples. Torch-free at import.

The thirds are ranks of the classes: the published limits, more than 100 and fewer than 20 training images (Liu et al.
2019, Large-Scale Long-Tailed Recognition in an Open World), fit data sets of one size.
"""

from typing import TYPE_CHECKING

from lossbench.metrics.estimates import Estimate
from lossbench.metrics.recall import mean_recall
from lossbench.metrics.registry import metric

if TYPE_CHECKING:
    from torch import Tensor

    from lossbench.metrics.classes import Classes


@metric("head_accuracy", unit="%", better="higher")
def head_accuracy(outputs: "Classes") -> Estimate | None:
    """Mean accuracy of the third of the classes with the most training examples; see `thirds`."""
    return _of_third(outputs, 0)


@metric("middle_accuracy", unit="%", better="higher")
def middle_accuracy(outputs: "Classes") -> Estimate | None:
    """Mean accuracy of the middle third of the classes by training examples; see `thirds`."""
    return _of_third(outputs, 1)


@metric("tail_accuracy", unit="%", better="higher")
def tail_accuracy(outputs: "Classes") -> Estimate | None:
    """Mean accuracy of the third of the classes with the fewest training examples; see `thirds`."""
    return _of_third(outputs, 2)


def thirds(counts: "Tensor") -> "Tensor":
    """Give the third of each class by its rank r = 0 .. C - 1 among the training counts: floor(3 r / C).

    Args:
        counts: training examples of each class, (..., C); of equal ones the lower index ranks first.

    Returns:
        0 (most examples), 1 or 2 (fewest), (..., C): 4, 3 and 3 of 10 classes.
    """
    rank = counts.argsort(dim=-1, descending=True, stable=True).argsort(dim=-1)
    return rank * 3 // counts.shape[-1]


def _of_third(outputs: "Classes", third: int) -> Estimate | None:
    """Measured where training counts are given, of at least three classes."""
    counts = outputs.train_counts
    if counts is None or outputs.classes < 3:
        return None
    return mean_recall(outputs, thirds(counts) == third)
