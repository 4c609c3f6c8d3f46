"""Measure the outputs of K runs on a split with all metrics of its task."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from torch import Tensor

from lossbench.metrics.classes import Classes
from lossbench.metrics.estimates import Estimate, Metric
from lossbench.metrics.labels import Labels
from lossbench.metrics.members import RankedPairs, SimilarPairs, Triplets
from lossbench.metrics.ordered_classes import OrderedClasses
from lossbench.metrics.registry import METRICS, ONE_CLASS
from lossbench.metrics.vectors import Distributions, Rates, Vectors

VIEWS: dict[str, Callable[[Tensor, Tensor], Any]] = {
    "classification": Classes,
    "ordinal": OrderedClasses,
    "regression": Vectors,
    "vectors": Vectors,
    "ranking": RankedPairs,
    "similarity": SimilarPairs,
    "triplets": Triplets,
    "distribution": Distributions,
    "count": Rates,
    "multi_label": Labels,
}
"""Task -> what its metrics are given."""


def estimates(
    output: Tensor,
    target: Tensor,
    *,
    task: str = "classification",
    scale: Tensor | float | None = None,
    train_counts: Tensor | None = None,
) -> dict[str, Estimate]:
    """Judge the outputs of K runs.

    Args:
        output: (K, n, ...): logits (K, n, C) of classifiers, else what the losses of the task take.
        target: (n, ...), of all runs; of classifiers also (K, n), each run's own.
        task: of the data set.
        scale: > 0, an inverse temperature from `fit_scale` on another split, one or (K,); adds the *_scaled metrics of
            classifiers.
        train_counts: training examples of each class, (C,) or (K, C); adds the accuracies of frequent and rare classes.

    Returns:
        Name to estimate, in the order of the registry; fractions are 0..1, not percent.

    Raises:
        ValueError: on wrong shapes, targets or scale.
    """
    outputs = view(output, target, task=task, scale=scale, train_counts=train_counts)
    found: dict[str, Estimate] = {}
    for name, definition in METRICS.items():
        estimate = definition.function(outputs) if task in definition.tasks else None
        if estimate is not None:
            _require_one_each(name, estimate, len(output))
            found[name] = estimate
    return _unknown_where_spoilt(found, outputs.known) if isinstance(outputs, Classes | Labels) else found


def view(
    output: Tensor,
    target: Tensor,
    *,
    task: str,
    scale: Tensor | float | None = None,
    train_counts: Tensor | None = None,
) -> Any:
    """What the metrics of a task are given of (K, n, ...) outputs."""
    return VIEWS[task](output, target, *((scale, train_counts) if task in ONE_CLASS else ()))


def metrics_of(
    output: Tensor,
    target: Tensor,
    *,
    task: str = "classification",
    scale: float | None = None,
    train_counts: Tensor | None = None,
) -> dict[str, Metric]:
    """Judge the outputs of one run, (n, ...): `estimates` with K = 1.

    Returns:
        Name to value with the half-width of its 95 % interval.
    """
    found = estimates(output[None], target, task=task, scale=scale, train_counts=train_counts)
    return {name: estimate.metrics()[0] for name, estimate in found.items()}


def _require_one_each(name: str, estimate: Estimate, runs: int) -> None:
    if tuple(estimate.value.shape) != (runs,):
        raise ValueError(f"metric {name} must give ({runs},) values, got {tuple(estimate.value.shape)}")


def _unknown_where_spoilt(found: dict[str, Estimate], known: Tensor) -> dict[str, Estimate]:
    """NaN for the runs whose outputs are not all finite."""
    if known.all():
        return found
    return {
        name: replace(estimate, value=estimate.value.masked_fill(~known, float("nan")))
        for name, estimate in found.items()
    }
