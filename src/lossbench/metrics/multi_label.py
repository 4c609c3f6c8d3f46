"""How well a model finds the labels of examples that may have several. Torch-free at import.

Intervals are Wilson's with the jackknife's variance: each example is left out once.
"""

from typing import TYPE_CHECKING

from lossbench.metrics.estimates import Estimate, jackknife, wilson
from lossbench.metrics.registry import metric

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from lossbench.metrics.labels import Labels


@metric("micro_f1", unit="%", better="higher", tasks=("multi_label",))
def micro_f1(outputs: "Labels") -> Estimate:
    """2 hits / (labels that hold + labels that are predicted), of all examples and labels together."""
    hits, sizes = outputs.hits.sum(-1), outputs.sizes.sum(-1)
    all_hits, all_sizes = hits.sum(1, keepdim=True), sizes.sum(1, keepdim=True)

    def without() -> "Tensor":
        return 2 * (all_hits - hits) / (all_sizes - sizes).clamp_min(1)

    return _left_out(2 * all_hits[:, 0] / all_sizes[:, 0].clamp_min(1), without)


def macro_f1_of_labels(outputs: "Labels") -> Estimate:
    """Mean over the labels that hold or are predicted anywhere of 2 hits / (examples + predictions)."""
    hits, sizes = outputs.hits.sum(1, keepdim=True), outputs.sizes.sum(1, keepdim=True)

    def without() -> "Tensor":
        return _mean_f1(hits - outputs.hits, sizes - outputs.sizes)

    return _left_out(_mean_f1(hits, sizes)[:, 0], without)


@metric("mean_average_precision", unit="%", better="higher", tasks=("multi_label",))
def mean_average_precision(outputs: "Labels") -> Estimate:
    """Mean over the labels that hold in the split of their average precision; NaN where none does.

    AP = mean over the examples with the label of the precision at their score. Equal scores share a rank, as in
    scikit-learn.

    Reference:
        Manning et al. 2008, Introduction to Information Retrieval, section 8.4.
    """
    found = outputs.average_precisions

    def without() -> "Tensor":
        return (found.without * found.known).sum(1) / found.known.sum(1).clamp_min(1)

    return _left_out(found.value.nanmean(1), without)


def _mean_f1(hits: "Tensor", sizes: "Tensor") -> "Tensor":
    """The mean F1 of the labels that occur: (K, n, C) each -> (K, n)."""
    return (2 * hits / sizes.clamp_min(1)).sum(-1) / (sizes > 0).sum(-1).clamp_min(1)


def _left_out(value: "Tensor", without: "Callable[[], Tensor]") -> Estimate:
    """A fraction with the interval of the jackknife.

    Args:
        value: (K,).
        without: computes it without each example, (K, n).
    """

    def parts() -> "Tensor":
        return jackknife(value, without())

    def half_width() -> "Tensor":
        contributed = parts()
        n = contributed.shape[1]
        return wilson(contributed.var(1) / n, n) if n > 1 else value * float("nan")

    return Estimate(value, half_width, parts)
