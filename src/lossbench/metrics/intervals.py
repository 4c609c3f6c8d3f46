"""A number and how far chance alone may have moved it."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

Z95 = 1.96  # half of a normal's central 95 %, in standard errors


@dataclass(frozen=True)
class Metric:
    """A number and the half-width of its 95 % interval, in the same unit (None where one example, or no finite value, tells nothing)."""

    value: float
    half_width: float | None


def interval_of_mean(values: Tensor) -> Metric:
    """Mean of per-example values, such as losses, with its 95 % interval.

    mean +- 1.96 sd / sqrt(n), sd with n - 1.

    Args:
        values: (n,), n >= 1, any unit.

    Returns:
        The mean in the unit of values; half_width None for n = 1 or a mean that is not finite.

    Raises:
        ValueError: where values is empty or not one-dimensional.
    """
    if values.ndim != 1 or len(values) == 0:
        raise ValueError(f"values must have shape (n,) with n >= 1, got {tuple(values.shape)}")
    values = values.detach().double()
    mean, n = values.mean().item(), len(values)
    return Metric(mean, None if n == 1 or not math.isfinite(mean) else Z95 * values.std().item() / math.sqrt(n))


def around(value: float, influence: Tensor) -> Metric:
    """A smooth function of means, with its 95 % interval by the delta method.

    Args:
        value: the number.
        influence: (n,), how much each example moves it: the function's derivative applied to the example's terms.

    Returns:
        value +- 1.96 sd(influence) / sqrt(n); half_width None for n = 1 or a value that is not finite.
    """
    return Metric(value, None if not math.isfinite(value) else interval_of_mean(influence).half_width)


def proportion(hits: Tensor) -> Metric:
    """A share of examples with half of Wilson's 95 % interval, which is never 0: (n,) of bool."""
    p, n = hits.double().mean(), torch.tensor(len(hits), dtype=torch.float64)
    return Metric(p.item(), wilson_half_width(p * (1 - p) / n, n) if len(hits) > 1 else None)


def wilson_half_width(variance: Tensor, n: Tensor) -> float:
    """Wilson's half-width of a fraction from n examples, given the estimated variance of that fraction, p (1 - p) / n in the plain case."""
    return (Z95 / (1 + Z95**2 / n) * (variance + (Z95 / (2 * n)) ** 2).sqrt()).item()
