"""What is measured on a whole split: the loss, the yardstick losses on the same outputs, and the metrics of the task."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

from torch import Tensor

from lossbench.metrics.classification import classification_metrics
from lossbench.metrics.intervals import Metric, interval_of_mean
from lossbench.metrics.pairs import ranking_metrics, similarity_metrics, triplet_metrics
from lossbench.metrics.regression import count_metrics, distribution_metrics, regression_metrics, vector_metrics
from lossbench.metrics.units import HEADLINES

METRICS: dict[str, Callable[[Tensor, Tensor], dict[str, Metric]]] = {
    "regression": regression_metrics,
    "vectors": vector_metrics,
    "ranking": ranking_metrics,
    "similarity": similarity_metrics,
    "triplets": triplet_metrics,
    "distribution": distribution_metrics,
    "count": count_metrics,
}
"""Task -> what judges its outputs; classification is judged by logits and a fitted scale, which the others do not have."""

Output = Tensor | tuple[Tensor, ...]


class Loss(Protocol):
    """What the task asks of a loss (lossbench.losses.Loss provides it)."""

    def __call__(self, output: Any, target: Tensor) -> Tensor: ...  # noqa: D102
    def per_example(self, output: Any, target: Tensor) -> Tensor: ...  # noqa: D102
    def terms(self, output: Any, target: Tensor) -> dict[str, Tensor]: ...  # noqa: D102
    def logits(self, output: Any) -> Tensor: ...  # noqa: D102


class Evaluation(NamedTuple):
    """All of a split, in its own order, on the CPU: model outputs in float32, targets (n,) as indices or in float32 (n, ...)."""

    output: Output
    target: Tensor


def measure(
    loss: Loss,
    yardsticks: Mapping[str, Loss],
    evaluation: Evaluation,
    scale: float | None = None,
    task: str = "classification",
) -> dict[str, Metric]:
    """Measure a split: the loss, the yardstick losses on the same outputs, and the metrics of the task.

    Args:
        loss: the loss that was trained.
        yardsticks: name -> loss with which every run is measured, whatever it was trained with.
        evaluation: outputs and targets.
        scale: the factor on the logits fitted on validation data; adds the *_scaled metrics (classification).
        task: of the data set.

    Returns:
        name -> value with the half-width of its 95 % interval.
    """
    output, target = evaluation
    interval = interval_of_mean(loss.per_example(output, target))
    metrics = {"loss": Metric(loss(output, target).item(), interval.half_width)}
    metrics |= {name: interval_of_mean(term) for name, term in loss.terms(output, target).items()}
    for name, yardstick in yardsticks.items():
        metrics[name] = interval_of_mean(yardstick.per_example(raw(output), target))
    if task != "classification":
        return metrics | METRICS[task](raw(output), target)
    return metrics | classification_metrics(loss.logits(output), target, scale=scale)


def headline(metrics: Mapping[str, Metric]) -> str:
    """Name the metric that says most, such as accuracy."""
    return next(name for name in HEADLINES if name in metrics)


def raw(output: Output) -> Tensor:
    """The logits of an output that may have more parts before them."""
    return output if isinstance(output, Tensor) else output[-1]
