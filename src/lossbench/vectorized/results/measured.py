"""What is measured of trained runs at their end: all runs of a stack at once, in blocks that memory holds."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
from torch import Tensor

from lossbench.data.source import ONE_CLASS
from lossbench.metrics.estimates import Estimate, Metric
from lossbench.metrics.scale import fit_scales
from lossbench.training.evaluation import Evaluation, at_progress, measure_runs, scale_prior
from lossbench.training.rows import split_row
from lossbench.vectorized.engine.losses import StackedLosses
from lossbench.vectorized.engine.outputs import each_part
from lossbench.vectorized.members import stacked_counts, stacked_yardsticks
from lossbench.vectorized.shared import Replicate

T = TypeVar("T")
AT_ONCE = 2**22  # numbers of outputs that are measured at once


@dataclass
class Found:
    """What is measured of one run.

    Args:
        metrics: name such as test/accuracy -> value with the half-width of its interval.
        scale: the factor on the logits, fitted on val; None where examples may have several labels.
        beside: the monitored metric on test with the weights that were not chosen; None where it is not measured.
    """

    metrics: dict[str, Metric] = field(default_factory=dict[str, Metric])
    scale: float | None = None
    beside: float | None = None


class Measures:
    """Measure K runs on the outputs that they have given.

    Args:
        losses: of the runs, those of one kind side by side.
        replicates: of the runs.
        task: of the data set.
    """

    def __init__(self, losses: Sequence[Any], replicates: Sequence[Replicate], task: str) -> None:
        self.losses, self.replicates, self.task = losses, replicates, task

    @torch.no_grad()
    def of(
        self,
        evaluations: Mapping[str, Sequence[Evaluation]],
        beside: Sequence[Evaluation] = (),
        monitored: str = "",
    ) -> list[Found]:
        """Measure all runs.

        Args:
            evaluations: split -> outputs of each run with the tested weights.
            beside: on test, those of the weights that were not chosen; none of trials.
            monitored: the metric that is measured of these, without its split.
        """
        found = [Found() for _ in self.losses]
        others = [beside] if beside else []
        for runs in self._blocks([*evaluations.values(), *others]):
            block = _Block(_some(self.losses, runs), _some(self.replicates, runs), self.task, _some(found, runs))
            if self.task in ONE_CLASS:
                block.fit_scale(_some(evaluations["val"], runs))
            for split, each in evaluations.items():
                block.measure(split, _some(each, runs))
            for each in others:
                block.measure_beside(_some(each, runs), monitored)
        return found

    def _blocks(self, splits: Sequence[Sequence[Evaluation]]) -> Iterator[list[int]]:
        """Runs with splits of the same sizes, as many as may be measured at once, in order."""
        alike: dict[tuple[object, ...], list[int]] = {}
        for k, replicate in enumerate(self.replicates):
            sizes = tuple(len(evaluations[k].target) for evaluations in splits)
            alike.setdefault((*sizes, replicate.train_counts is None), []).append(k)
        for runs in alike.values():
            most = max(1, AT_ONCE // max(_numbers(evaluations[runs[0]]) for evaluations in splits))
            yield from (runs[k : k + most] for k in range(0, len(runs), most))


def _some(each: Sequence[T], runs: Sequence[int]) -> list[T]:
    return [each[k] for k in runs]


def _numbers(evaluation: Evaluation) -> int:
    """How many numbers are worked on: outputs, and at least the bins of a calibration error."""
    output = evaluation.output
    parts = [output] if isinstance(output, Tensor) else list(output)
    return max(sum(part.numel() for part in parts), 16 * len(evaluation.target))


class _Block:
    """Runs whose splits have the same sizes.

    Args:
        losses: of the runs.
        replicates: of the runs.
        task: of the data set.
        found: gets what is measured.
    """

    def __init__(
        self, losses: Sequence[Any], replicates: Sequence[Replicate], task: str, found: Sequence[Found]
    ) -> None:
        self.each_loss, self.task, self.found = losses, task, found
        self.losses = StackedLosses(losses)
        self.yardsticks, self.train_counts = stacked_yardsticks(replicates), stacked_counts(replicates)
        self.scale: Tensor | None = None

    def fit_scale(self, evaluations: Sequence[Evaluation]) -> None:
        """Fit the factor on each run's logits."""
        output, target = _stacked(evaluations)
        logits = self.losses.logits(output)
        priors = [scale_prior(at_progress(loss, 1.0), logits.shape[-1]) for loss in self.each_loss]
        self.scale = fit_scales(logits, target, *torch.tensor(priors, dtype=torch.float64).unbind(1))
        for found, scale in zip(self.found, self.scale.tolist(), strict=True):
            found.scale = scale

    def measure(self, split: str, evaluations: Sequence[Evaluation]) -> None:
        """Measure a split, with intervals."""
        for runs, estimates in self._estimates(evaluations):
            row = split_row(split, estimates)
            columns = [estimate.metrics() for estimate in row.values()]
            for found, values in zip(self.found[runs], zip(*columns, strict=True), strict=True):
                found.metrics.update(zip(row, values, strict=True))

    def measure_beside(self, evaluations: Sequence[Evaluation], monitored: str) -> None:
        """Measure one metric, without intervals."""
        for runs, estimates in self._estimates(evaluations):
            if monitored in estimates:
                for found, value in zip(self.found[runs], estimates[monitored].value.tolist(), strict=True):
                    found.beside = value

    def _estimates(self, evaluations: Sequence[Evaluation]) -> list[tuple[slice, dict[str, Estimate]]]:
        given: dict[str, Any] = {"scale": self.scale, "task": self.task, "train_counts": self.train_counts}
        return measure_runs(self.losses, self.yardsticks, *_stacked(evaluations), **given)


def _stacked(evaluations: Sequence[Evaluation]) -> tuple[Any, Tensor]:
    """Outputs of all runs, (K, n, ...), and targets: (n, ...) where all have the same ones, else (K, n, ...)."""
    output = each_part(lambda *parts: torch.stack(parts), *(evaluation.output for evaluation in evaluations))
    first = evaluations[0].target
    if all(evaluation.target is first for evaluation in evaluations):
        return output, first
    return output, torch.stack([evaluation.target for evaluation in evaluations])
