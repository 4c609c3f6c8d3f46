"""The one factor on a classifier's logits that makes its probabilities fit best."""

import math

from torch import Tensor

from lossbench.metrics.classes import check, chunks, finite

SCALE_RANGE = (1e-3, 1e3)


def fit_scale(logits: Tensor, target: Tensor) -> float:
    """Find the one factor on the logits that makes their probabilities fit the targets best (temperature scaling).

    s = argmin over 1e-3..1e3 of mean_i -log softmax(s * z_i)[y_i]

    s is the inverse of the temperature: below 1 where a model is too sure of itself. The objective is convex in s; its
    derivative, mean_i (E_p[z_i] - z_i[y_i]), is brought to zero in float64 by Newton steps inside a bracket.

    Args:
        logits: (n, C), n >= 1, C >= 2.
        target: (n,) int64, 0..C-1.

    Returns:
        s > 0. The upper bound where every example is right, the lower where the logits mislead; 1.0 where no scale is
        better than another (every row constant) or the logits are not finite.

    Raises:
        ValueError: on wrong shapes or a target outside 0..C-1.

    Reference:
        Guo et al. 2017, On Calibration of Modern Neural Networks, eq. 9.
    """
    check(logits[None], target)
    logits, target = logits.detach().cpu(), target.detach().cpu().long()
    if not finite(logits[None]) or bool((logits.amax(dim=1) == logits.amin(dim=1)).all()):
        return 1.0
    low, high = SCALE_RANGE
    if _derivatives(logits, target, high)[0] <= 0:
        return high
    if _derivatives(logits, target, low)[0] >= 0:
        return low
    return _root(logits, target, low, high)


def _derivatives(logits: Tensor, target: Tensor, scale: float) -> tuple[float, float]:
    """First and second derivative by scale of the summed NLL of softmax(scale * logits)."""
    first = second = 0.0
    for chunk, y in chunks(logits[None], target):
        z = chunk[0].double()
        z = z - z.gather(1, y[:, None])
        weighted = (z * scale).softmax(dim=1).mul_(z)
        mean = weighted.sum(dim=1)
        first += mean.sum().item()
        second += (weighted.mul_(z).sum(dim=1) - mean.square()).sum().item()
    return first, second


def _root(logits: Tensor, target: Tensor, low: float, high: float) -> float:
    """Newton for the zero of the slope; log s is bisected where a step leaves the bracket or does not halve."""
    scale, before = math.sqrt(low * high), math.inf
    for _ in range(100):
        slope, curvature = _derivatives(logits, target, scale)
        low, high = (scale, high) if slope < 0 else (low, scale)
        best = scale - slope / curvature if curvature > 0 else math.nan
        if abs(best / scale - 1) < 1e-10:
            break
        if not (low < best < high and abs(math.log(best / scale)) < before / 2):
            best = math.sqrt(low * high)
        before, scale = abs(math.log(best / scale)), best
    return scale
