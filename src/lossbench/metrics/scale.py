"""The one factor on a classifier's logits that makes its probabilities fit best, of one run or of K at once."""

import math

import torch
from torch import Tensor

from lossbench.metrics.classes import check, chunks, finite, index_of

SCALE_RANGE = (1e-3, 1e3)
STEP = 0.5  # of log s between two places where the slope is looked at
TOLERANCE = 1e-10  # of log s
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
    return fit_scales(logits[None], target, expected, spread).item()


def fit_scales(
    logits: Tensor, target: Tensor, expected: Tensor | float = 1.0, spread: Tensor | float = SPREAD
) -> Tensor:
    """Find the factor of each of K runs, as `fit_scale` does.

    Args:
        logits: (K, n, C), n >= 1, C >= 2.
        target: (n,) int64, 0..C-1, of all runs, or (K, n), each run's own.
        expected: e > 0, one or (K,).
        spread: d > 0, one or (K,).

    Returns:
        (K,) float64.
    """
    check(logits, target)
    logits, target = logits.detach().cpu(), target.detach().cpu().long()
    scales, spreads = (torch.as_tensor(given, dtype=torch.float64).expand(len(logits)) for given in (expected, spread))
    constant = (logits.amax(dim=2) == logits.amin(dim=2)).all(1)
    objective = _Objective(logits, target, scales.log(), spreads)
    runs = (finite(logits) & ~constant).nonzero()[:, 0]
    return scales.index_copy(0, runs, _fitted(objective, runs)) if len(runs) else scales.clone()


class _Objective:
    """What is minimised over u = log s, of K runs.

    Args:
        logits: (K, n, C).
        target: (n,) or (K, n).
        middle: log e, (K,).
        spread: d, (K,).
    """

    def __init__(self, logits: Tensor, target: Tensor, middle: Tensor, spread: Tensor) -> None:
        self.logits, self.target, self.middle, self.spread = logits, target, middle, spread

    def prior_slope(self, u: Tensor, runs: Tensor) -> Tensor:
        """The slope of the prior at u, of some runs: (k,)."""
        return (u - self.middle[runs]) / self.spread[runs] ** 2

    def derivatives(self, u: Tensor, runs: Tensor) -> tuple[Tensor, Tensor]:
        """Slope and curvature at u, of some runs: (k,) each."""
        slope, curvature = _derivatives(*self._of(runs), u.exp())
        return slope + self.prior_slope(u, runs), curvature + 1 / self.spread[runs] ** 2

    def value(self, u: Tensor, runs: Tensor) -> Tensor:
        """The sum at u, of some runs: (k,)."""
        return _nll(*self._of(runs), u.exp()) + ((u - self.middle[runs]) / self.spread[runs]) ** 2 / 2

    def _of(self, runs: Tensor) -> tuple[Tensor, Tensor]:
        if len(runs) == len(self.logits):
            return self.logits, self.target
        return self.logits[runs], self.target if self.target.ndim == 1 else self.target[runs]


def _fitted(objective: _Objective, runs: Tensor) -> Tensor:
    """The scales of some runs: (k,)."""
    low, high = map(math.log, SCALE_RANGE)
    middle = objective.middle[runs]
    best = _roots(objective, runs, middle, low, high)
    place = (best > middle).nonzero()[:, 0]  # whose logits may ask for a larger scale
    u = best[place]
    while len(place):
        mine = runs[place]
        u = (u + STEP).clamp_max(high)
        slope, _ = objective.derivatives(u, mine)
        larger = slope < objective.prior_slope(u, mine)
        falls = (slope < 0).nonzero()[:, 0]
        if len(falls):
            u[falls] = found = _roots(objective, mine[falls], u[falls], u[falls], high)
            best[place[falls]] = _lower(objective, mine[falls], best[place[falls]], found)
        goes_on = larger & (u < high)
        place, u = place[goes_on], u[goes_on]
    return best.exp()


def _lower(objective: _Objective, runs: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """Of two minima of each run the lower one; of equal ones the first."""
    return torch.where(objective.value(second, runs) < objective.value(first, runs), second, first)


def _roots(objective: _Objective, runs: Tensor, start: Tensor, low: Tensor | float, high: float) -> Tensor:
    """Newton for the zeros of the slopes; a bracket is halved where a step leaves it or takes half of it."""
    lower, upper = torch.as_tensor(low, dtype=torch.float64).expand_as(start), torch.full_like(start, high)
    u, going = start.clamp(lower, upper), torch.arange(len(start))
    for _ in range(100):
        at = u[going]
        slope, curvature = objective.derivatives(at, runs[going])
        lower, upper = torch.where(slope < 0, at, lower), torch.where(slope < 0, upper, at)
        best = torch.where(curvature > 0, at - slope / curvature, torch.nan)
        left = ~(((best - at).abs() < TOLERANCE) | (upper - lower < TOLERANCE))
        if not left.any():
            break
        newton = (lower < best) & (best < upper) & ((best - at).abs() < (upper - lower) / 2)
        u[going[left]] = torch.where(newton, best, (lower + upper) / 2)[left]
        going, lower, upper = going[left], lower[left], upper[left]
    return u


def _nll(logits: Tensor, target: Tensor, scale: Tensor) -> Tensor:
    """The summed NLL of softmax(scale * logits) of each run: (K,)."""
    total = torch.zeros_like(scale)
    for chunk, y in chunks(logits, target):
        z = chunk.double() * scale[:, None, None]
        total -= z.log_softmax(-1).gather(-1, index_of(z, y)).sum((1, 2))
    return total


def _derivatives(logits: Tensor, target: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    """First and second derivative by log scale of the summed NLL of softmax(scale * logits): (K,) each."""
    first, second = torch.zeros_like(scale), torch.zeros_like(scale)
    for chunk, y in chunks(logits, target):
        z = chunk.double() * scale[:, None, None]
        z = z - z.gather(-1, index_of(z, y))
        weighted = z.softmax(dim=-1).mul_(z)
        mean = weighted.sum(dim=-1)
        first += mean.sum(1)
        second += (weighted.mul_(z).sum(dim=-1) - mean.square() + mean).sum(1)
    return first, second
