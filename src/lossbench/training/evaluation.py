"""What is measured on a whole split, of one run or of K: loss, terms, yardsticks, and the metrics of the task."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from lossbench.metrics.estimates import Estimate, Metric, mean
from lossbench.metrics.measure import estimates
from lossbench.metrics.registry import ONE_CLASS, headlines
from lossbench.metrics.scale import SPREAD, fit_scale
from lossbench.rundir.result import Measured

Output = Tensor | tuple[Tensor, ...]


class Loss(Protocol):
    """What a loss must have; lossbench.losses.Loss has more."""

    def __call__(self, output: Any, target: Tensor) -> Tensor: ...  # noqa: D102
    def per_example(self, output: Any, target: Tensor) -> Tensor: ...  # noqa: D102
    def terms(self, output: Any, target: Tensor) -> dict[str, Tensor]: ...  # noqa: D102
    def logits(self, output: Any) -> Tensor: ...  # noqa: D102


class Evaluation(NamedTuple):
    """All of a split, in its order, on the CPU: outputs in float32, targets (n,) as indices or in float32 (n, ...)."""

    output: Output
    target: Tensor


class Losses(Protocol):
    """The interface of the losses of K runs, of which neighbours share a kind of loss."""

    def estimates(self, output: Any, target: Tensor) -> list[tuple[slice, dict[str, Estimate]]]:
        """The loss of each run and the terms that it is the sum of: for each kind its runs, and name -> estimate."""
        ...

    def logits(self, output: Any) -> Tensor:
        """What a softmax turns into class probabilities: (K, n, C)."""
        ...


Yardstick = Callable[[Tensor, Tensor], Tensor]
"""Outputs (K, n, C) and targets, (n, ...) or (K, n, ...) -> the values of a loss, (K, n)."""


def at_progress(loss: Loss, progress: float) -> Loss:
    """Give a loss as it is at a share of the training; one without numbers that follow the progress is itself."""
    # a class that LOSSBENCH_ALLOW names may have less than lossbench.losses.Loss
    at: Callable[[float], Loss] = getattr(loss, "at", lambda _: loss)
    return at(progress)


class SingleLoss:
    """The loss of one run as it is at the end of the training, as `Losses` with K = 1."""

    def __init__(self, loss: Loss) -> None:
        self.loss = at_progress(loss, 1.0)

    def estimates(self, output: Any, target: Tensor) -> list[tuple[slice, dict[str, Estimate]]]:
        """The loss with its interval, and its terms."""
        output = first(output)
        interval = mean(self.loss.per_example(output, target)[None]).half_width
        terms = {name: mean(term[None]) for name, term in self.loss.terms(output, target).items()}
        return [(slice(0, 1), {"loss": Estimate(self.loss(output, target).detach()[None], interval), **terms})]

    def logits(self, output: Any) -> Tensor:
        """The logits of the run: (1, n, C)."""
        return self.loss.logits(first(output))[None]


def measure_runs(
    losses: Losses,
    yardsticks: Mapping[str, Yardstick],
    output: Output,
    target: Tensor,
    *,
    scale: Tensor | float | None = None,
    task: str = "classification",
    train_counts: Tensor | None = None,
) -> list[tuple[slice, dict[str, Estimate]]]:
    """Measure K runs on a split: the loss, its terms, the yardstick losses, and the metrics of the task.

    Args:
        losses: with which the runs are trained.
        yardsticks: name -> the values of a loss with which every run is measured, whatever it was trained with.
        output: (K, n, ...), or a tuple of such whose last part the yardsticks and metrics see.
        target: (n, ...) of all runs; of classifiers also (K, n), each run's own.
        scale: the factor on the logits fitted on validation data, one or (K,); adds the *_scaled metrics
            (classification).
        task: of the data set.
        train_counts: training examples of each class, (C,) or (K, C), where they are uneven.

    Returns:
        For each kind of loss its runs, and name -> estimate.
    """
    outputs = raw(output)
    shared = {name: mean(yardstick(outputs, target)) for name, yardstick in yardsticks.items()}
    judged = losses.logits(output) if task in ONE_CLASS else outputs
    shared |= estimates(judged, target, task=task, scale=scale, train_counts=train_counts)
    shared = {name: estimate.once() for name, estimate in shared.items()}
    return [(runs, own | of_runs(shared, runs)) for runs, own in losses.estimates(output, target)]


def of_runs(found: Mapping[str, Estimate], runs: slice) -> dict[str, Estimate]:
    """The estimates of some of the runs."""
    return {name: estimate.of(runs) for name, estimate in found.items()}


@torch.no_grad()
def measure(
    loss: Loss,
    yardsticks: Mapping[str, Loss],
    evaluation: Evaluation,
    scale: float | None = None,
    task: str = "classification",
    train_counts: Tensor | None = None,
) -> dict[str, Estimate]:
    """Measure one run on a split: `measure_runs` with K = 1."""
    output, target = evaluation
    stacked = output[None] if isinstance(output, Tensor) else type(output)(*(part[None] for part in output))
    measured_with = {name: partial(_values, yardstick) for name, yardstick in yardsticks.items()}
    ((_, found),) = measure_runs(
        SingleLoss(loss), measured_with, stacked, target, scale=scale, task=task, train_counts=train_counts
    )
    return found


def _values(loss: Loss, output: Tensor, target: Tensor) -> Tensor:
    """The values of a loss on the outputs of one run: (1, n, ...) -> (1, n)."""
    return at_progress(loss, 1.0).per_example(output[0], target)[None]


def fitted_scale(loss: Loss, evaluation: Evaluation) -> float:
    """Fit the factor on a classifier's logits on its validation split, with the loss's prior if it has one."""
    loss = at_progress(loss, 1.0)
    logits = loss.logits(evaluation.output)
    return fit_scale(logits, evaluation.target, *scale_prior(loss, logits.shape[-1]))


def scale_prior(loss: Loss, classes: int) -> tuple[float, float]:
    """What calibration expects of the factor on a loss's logits: its median, and the standard deviation of its log."""
    prior_of: Callable[[int], tuple[float, float]] = getattr(loss, "scale_prior", lambda _: (1.0, SPREAD))
    return prior_of(classes)


def with_intervals(found: Mapping[str, Estimate]) -> dict[str, Metric]:
    """The numbers of one run with the half-widths of their 95 % intervals."""
    return {name: estimate.metrics()[0] for name, estimate in found.items()}


def measured(
    metrics: Mapping[str, Metric],
    evaluations: Mapping[str, Evaluation],
    scale: float | None,
    predictions: str,
    classes: Iterable[str],
) -> Measured:
    """Collect what was measured of a trained run, for its result.

    Args:
        metrics: name such as test/accuracy -> value with its half-width.
        evaluations: split -> outputs and targets.
        scale: the factor on the logits fitted on validation data.
        predictions: how they were saved.
        classes: the names of the classes.
    """
    values = {name: (metric.value, metric.half_width) for name, metric in metrics.items()}
    counts = {split: len(evaluation.target) for split, evaluation in evaluations.items()}
    return Measured(values, counts, scale, predictions, list(classes))


def headline(measured: Iterable[str]) -> str:
    """Name the metric that stands for the task, such as accuracy."""
    return next(name for name in headlines() if name in measured)


def first(output: Output) -> Any:
    """The output of the first of K runs."""
    return output[0] if isinstance(output, Tensor) else type(output)(*(part[0] for part in output))


def raw(output: Output) -> Tensor:
    """The logits of an output that may have more parts before them."""
    return output if isinstance(output, Tensor) else output[-1]
