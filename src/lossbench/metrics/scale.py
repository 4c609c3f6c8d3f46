"""The one factor on a classifier's logits that makes its probabilities fit best."""

import math
from collections.abc import Callable

from torch import Tensor
from torch.nn import functional as F

from lossbench.metrics.classes import check, chunks, finite

SCALE_RANGE = (1e-3, 1e3)
STEP = 0.5  # of log s between two places where the slope is looked at
SPREAD = 0.5
"""Standard deviation of log s before any example: published temperatures lie between about 0.8 and 3."""


def fit_scale(logits: Tensor, target: Tensor, expected: float = 1.0, spread: float = SPREAD) -> float:
    """Find the one factor on the logits that makes their probabilities fit the targets best (temperature scaling).

    s = argmin over 1e-3..1e3 of sum_i -log softmax(s * z_i)[y_i] + (log s - log e)^2 / (2 d^2)

    s is the inverse of the temperature: below 1 where a model is too sure of itself. The second term is a normal prior
    of log s with mean log e and standard deviation d. Without it, few validation examples of which nearly all are right
    would make any model as sure as can be; it weighs as much as 1 / d^2 nats per unit of log s, and fades with more
    examples. The derivative by log s is brought to zero in float64 by Newton steps inside a bracket, from e on. The sum
    is convex in s and not in log s, so that a lower minimum may follow at a larger s, as of logits near 0: the slope is
    looked at in steps of 0.5 until the logits themselves ask for no larger s, and the lowest of the minima is taken.

    Args:
        logits: (n, C), n >= 1, C >= 2.
        target: (n,) int64, 0..C-1.
        expected: e > 0, the scale before any example: 1 of logits that are trained as such.
        spread: d > 0, of log s before any example.

    Returns:
        s > 0. The expected one where no scale is better than another (every row constant) or the logits are not
        finite; the lower bound where the logits mislead beyond it.

    Raises:
        ValueError: on wrong shapes or a target outside 0..C-1.

    Reference:
        Guo et al. 2017, On Calibration of Modern Neural Networks, eq. 9.
    """
    check(logits[None], target)
    logits, target = logits.detach().cpu(), target.detach().cpu().long()
    if not finite(logits[None]) or bool((logits.amax(dim=1) == logits.amin(dim=1)).all()):
        return expected
    middle = math.log(expected)

    def derivatives(u: float) -> tuple[float, float]:
        slope, curvature = _derivatives(logits, target, math.exp(u))
        return slope + (u - middle) / spread**2, curvature + 1 / spread**2

    low, high = map(math.log, SCALE_RANGE)
    u = _root(derivatives, middle, low, high)
    minima, larger = [u], u > middle
    while larger and u < high:
        u = min(u + STEP, high)
        slope, _ = derivatives(u)
        larger = slope < (u - middle) / spread**2
        if slope < 0:
            u = _root(derivatives, u, u, high)
            minima.append(u)
    if len(minima) == 1:
        return math.exp(minima[0])
    return math.exp(min(minima, key=lambda u: _nll(logits, target, math.exp(u)) + ((u - middle) / spread) ** 2 / 2))


def _root(derivatives: Callable[[float], tuple[float, float]], start: float, low: float, high: float) -> float:
    """Newton for the zero of the first derivative; the bracket is halved where a step leaves it or takes half of it."""
    u = min(max(start, low), high)
    for _ in range(100):
        slope, curvature = derivatives(u)
        low, high = (u, high) if slope < 0 else (low, u)
        best = u - slope / curvature if curvature > 0 else math.nan
        if abs(best - u) < 1e-10 or high - low < 1e-10:
            break
        u = best if low < best < high and abs(best - u) < (high - low) / 2 else (low + high) / 2
    return u


def _nll(logits: Tensor, target: Tensor, scale: float) -> float:
    """The summed NLL of softmax(scale * logits)."""
    total = 0.0
    for chunk, y in chunks(logits[None], target):
        total += F.cross_entropy(chunk[0].double() * scale, y, reduction="sum").item()
    return total


def _derivatives(logits: Tensor, target: Tensor, scale: float) -> tuple[float, float]:
    """First and second derivative by log scale of the summed NLL of softmax(scale * logits)."""
    first = second = 0.0
    for chunk, y in chunks(logits[None], target):
        z = chunk[0].double() * scale
        z = z - z.gather(1, y[:, None])
        weighted = z.softmax(dim=1).mul_(z)
        mean = weighted.sum(dim=1)
        first += mean.sum().item()
        second += (weighted.mul_(z).sum(dim=1) - mean.square() + mean).sum().item()
    return first, second
