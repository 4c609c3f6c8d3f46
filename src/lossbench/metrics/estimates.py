"""Numbers of K runs, and how far chance alone may have moved them. Torch-free at import."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

Z95 = 1.96  # half of a normal's central 95 %, in standard errors


@dataclass(frozen=True)
class Metric:
    """A number and the half-width of its 95 % interval, in its unit; None for one example, or no finite value."""

    value: float
    half_width: float | None


@dataclass(frozen=True)
class Estimate:
    """A metric of K runs on one split.

    Args:
        value: (K,).
        half_width: computes those of the 95 % intervals, (K,), NaN where there is none; only final results need them.
            None is a metric without an interval.
        parts: computes what each example contributes, (K, n), whose mean is the value; NaN of an example that the
            metric leaves out. None is a metric without parts.
    """

    value: "Tensor"
    half_width: "Callable[[], Tensor] | None" = None
    parts: "Callable[[], Tensor] | None" = None

    def metrics(self) -> list[Metric]:
        """The number of each run with its interval."""
        values: list[float] = self.value.tolist()
        widths = [math.nan] * len(values) if self.half_width is None else self.half_width().tolist()
        return [_metric(value, width) for value, width in zip(values, widths, strict=True)]

    def once(self) -> "Estimate":
        """The same, with intervals that are computed at most once, for whichever runs they are asked first."""
        return replace(self, half_width=None if self.half_width is None else cache(self.half_width))

    def of(self, runs: slice) -> "Estimate":
        """That of some of the runs."""
        return Estimate(self.value[runs], _of(self.half_width, runs), _of(self.parts, runs))


def _of(compute: "Callable[[], Tensor] | None", runs: slice) -> "Callable[[], Tensor] | None":
    return None if compute is None else lambda: compute()[runs]


def _metric(value: float, half_width: float) -> Metric:
    known = math.isfinite(value) and not math.isnan(half_width)
    return Metric(value, half_width if known else None)


def mean(values: "Tensor") -> Estimate:
    """Mean of per-example values, such as losses: mean +- 1.96 sd / sqrt(n), sd with n - 1.

    Args:
        values: (K, n), n >= 1, any unit.

    Returns:
        The means in the unit of values; no interval for n = 1.

    Raises:
        ValueError: where values is empty or not two-dimensional.
    """
    if values.ndim != 2 or values.shape[1] == 0:
        raise ValueError(f"values must have shape (K, n) with n >= 1, got {tuple(values.shape)}")
    values = values.detach().double()
    return Estimate(values.mean(1), lambda: interval(values), lambda: values)


def around(value: "Tensor", influence: "Tensor") -> Estimate:
    """A smooth function of means, with its interval by the delta method: value +- 1.96 sd(influence) / sqrt(n).

    Args:
        value: (K,), the numbers.
        influence: (K, n), how much each example moves them: the function's derivative applied to the example's terms.
    """
    return Estimate(value, mean(influence).half_width, lambda: _centred(value, influence))


def jackknife(value: "Tensor", without: "Tensor") -> "Tensor":
    """What each example contributes to a metric that is no mean: Tukey's pseudo-values, moved to the mean `value`.

    n value - (n - 1) value without the example. Their variance / n is the jackknife's variance of the metric.

    Args:
        value: (K,), the metric.
        without: (K, n), the metric of all examples but one.

    Returns:
        (K, n), in the unit of the metric.

    Reference:
        Tukey 1958, Bias and Confidence in Not-quite Large Samples.
    """
    return _centred(value, -(without.shape[1] - 1) * without)


def _centred(value: "Tensor", moved: "Tensor") -> "Tensor":
    return value[:, None] + moved - moved.mean(1, keepdim=True)


def proportion(hits: "Tensor") -> Estimate:
    """A share of examples with half of Wilson's 95 % interval, which is never 0: (K, n) of bool."""
    p, n = hits.double().mean(1), hits.shape[1]
    return Estimate(p, lambda: wilson(p * (1 - p) / n, n) if n > 1 else p * math.nan, hits.double)


def wilson(variance: "Tensor", n: "Tensor | int") -> "Tensor":
    """Wilson's half-width of fractions from n examples: (K,), from their variances, p (1 - p) / n in the plain case."""
    shift = Z95 / (2 * n)
    return Z95 / (1 + Z95**2 / n) * (variance + shift * shift).sqrt()


def interval(values: "Tensor") -> "Tensor":
    """1.96 standard errors of the means of (K, n); NaN for n = 1."""
    n = values.shape[1]
    return Z95 * values.double().std(1) / math.sqrt(n) if n > 1 else values[:, 0] * math.nan
