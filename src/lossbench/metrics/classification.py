"""How often a classifier is right, and whether its probabilities can be believed."""

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor
from torchmetrics.functional.classification import binary_calibration_error

from lossbench.metrics.intervals import Z95, Metric, interval_of_mean, proportion, wilson_half_width

ECE_BINS = 15
ECE_RESAMPLES = 200
ECE_SEED = 20_150_215
SCALE_RANGE = (1e-3, 1e3)
_CHUNK = (
    2**20
)  # logits worked on at a time: 2-3 times faster than whole tensors at 50,000 x 1,000, without large temporaries


class _Examples(NamedTuple):
    """What the probabilities say about each example: (n,) each."""

    nll: Tensor
    brier: Tensor
    true_class_probability: Tensor
    confidence: Tensor


def classification_metrics(logits: Tensor, target: Tensor, *, scale: float | None = None) -> dict[str, Metric]:
    """Judge a classifier's outputs on one split: how often it is right, and whether its probabilities can be believed.

    With p = softmax(logits), y the target and mean over the n examples::

        accuracy, error_rate     mean [argmax p = y], and 1 minus it
        top5_accuracy            mean [y among the five largest], only for C > 5
        balanced_accuracy        mean over the classes that occur in target of their accuracy
        macro_f1                 mean over the classes that occur in target or argmax p of 2 hits / (examples + predictions)
        nll                      mean -log p_y, nats
        brier                    mean sum_k (p_k - [k = y])^2, 0..2
        ece                      sum over 15 equal bins of max p: |sum of ([argmax p = y] - max p)| / n, 0..1
        true_class_probability   mean p_y
        nll_scaled, brier_scaled, ece_scaled    the same of softmax(scale * logits)

    Among equal logits the lower class index ranks first, as in argmax. 95 % half-widths: Wilson's for accuracies (never 0) and, by the
    delta method, macro_f1; 1.96 standard errors for means; 1.96 bootstrap standard errors for ece, itself biased upwards on small splits.

    Args:
        logits: (n, C), n >= 1, C >= 2, any real numbers; a NaN or an infinity anywhere makes every value NaN.
        target: (n,) int64, 0..C-1.
        scale: > 0, an inverse temperature from `fit_scale`, fitted on another split.

    Returns:
        Name to Metric, in the order above; fractions are 0..1, not percent.

    Raises:
        ValueError: on wrong shapes, a target outside 0..C-1, or a scale that is not > 0.

    Reference:
        Guo et al. 2017, On Calibration of Modern Neural Networks, eq. 3; Brier 1950, eq. 2; Wilson 1927.
    """
    logits, target = _checked(logits, target)
    if scale is not None and not 0 < scale < math.inf:
        raise ValueError(f"scale must be > 0, got {scale}")
    if not _finite(logits):
        return dict.fromkeys(
            classification_metrics(torch.zeros_like(logits[:1]), target[:1], scale=scale), Metric(math.nan, None)
        )
    rank = torch.cat([_rank(z, y) for z, y in _chunks(logits, target)])
    correct = rank == 0
    metrics = {"accuracy": proportion(correct)}
    if logits.shape[1] > 5:
        metrics["top5_accuracy"] = proportion(rank < 5)
    metrics |= {"error_rate": proportion(~correct), "balanced_accuracy": _balanced_accuracy(correct, target)}
    metrics["macro_f1"] = _macro_f1(logits.argmax(1), target, logits.shape[1])
    metrics |= _probability_metrics(logits, target, correct, 1.0)
    if scale is not None:
        scaled = _probability_metrics(logits, target, correct, scale)
        metrics |= {f"{name}_scaled": scaled[name] for name in ("nll", "brier", "ece")}
    return metrics


def fit_scale(logits: Tensor, target: Tensor) -> float:
    """Find the one factor on the logits that makes their probabilities fit the targets best (temperature scaling).

    s = argmin over 1e-3..1e3 of mean_i -log softmax(s * z_i)[y_i], the inverse of the temperature: s < 1 where a model is too sure of
    itself. The objective is convex in s; its derivative, mean_i (E_p[z_i] - z_i[y_i]), is brought to zero in float64 by Newton steps
    inside a bracket.

    Args:
        logits: (n, C), n >= 1, C >= 2.
        target: (n,) int64, 0..C-1.

    Returns:
        s > 0. The upper bound where every example is right, the lower where the logits mislead; 1.0 where no scale is better than
        another (every row constant) or the logits are not finite.

    Raises:
        ValueError: on wrong shapes or a target outside 0..C-1.

    Reference:
        Guo et al. 2017, On Calibration of Modern Neural Networks, eq. 9.
    """
    logits, target = _checked(logits, target)
    if not _finite(logits) or bool((logits.amax(dim=1) == logits.amin(dim=1)).all()):
        return 1.0
    low, high = SCALE_RANGE
    if _derivatives(logits, target, high)[0] <= 0:
        return high
    if _derivatives(logits, target, low)[0] >= 0:
        return low
    return _root(logits, target, low, high)


def _checked(logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    if logits.ndim != 2 or len(logits) == 0 or logits.shape[1] < 2:
        raise ValueError(f"logits must have shape (n, C) with n >= 1 and C >= 2, got {tuple(logits.shape)}")
    if target.shape != logits.shape[:1]:
        raise ValueError(f"target must have shape ({len(logits)},), got {tuple(target.shape)}")
    low, high = (int(end) for end in target.aminmax())
    if low < 0 or high >= logits.shape[1]:
        raise ValueError(f"target must be within 0..{logits.shape[1] - 1}, got {low}..{high}")
    logits = logits.detach().cpu()
    return (logits if logits.dtype == torch.float64 else logits.float()), target.detach().cpu().long()


def _finite(logits: Tensor) -> bool:
    return all(
        math.isfinite(end.item()) for end in logits.aminmax()
    )  # aminmax passes NaN on, and needs no mask of n * C


def _chunks(logits: Tensor, target: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    rows = max(1, _CHUNK // logits.shape[1])
    return zip(logits.split(rows), target.split(rows), strict=True)


def _rank(logits: Tensor, target: Tensor) -> Tensor:
    """Count the classes placed before the true one, (n,); torch.topk would order equal logits as it likes."""
    index = target[:, None]
    own = logits.gather(1, index)
    ahead = (logits > own) | ((logits == own) & (torch.arange(logits.shape[1]) < index))
    return ahead.count_nonzero(dim=1)


def _balanced_accuracy(correct: Tensor, target: Tensor) -> Metric:
    # Not torchmetrics' macro average: it counts a class that is predicted but absent from target as recall 0, and under
    # torch.use_deterministic_algorithms(True) it allocates n * C^2 integers.
    support = torch.bincount(target)
    hits = torch.bincount(target[correct], minlength=len(support))[support > 0]
    support = support[support > 0].double()
    recall = hits / support
    mean, classes = recall.mean(), len(recall)
    # n - 1, because classes are often small and many; a class of one example shows no spread of its own and gets the average's.
    variances = torch.where(support > 1, recall * (1 - recall) / (support - 1), mean * (1 - mean))
    effective = classes**2 / (1 / support).sum()
    return Metric(mean.item(), wilson_half_width(variances.sum() / classes**2, effective) if len(target) > 1 else None)


def _macro_f1(predicted: Tensor, target: Tensor, classes: int) -> Metric:
    n, hits = len(target), torch.bincount(target[predicted == target], minlength=classes).double()
    share = (torch.bincount(predicted, minlength=classes) + torch.bincount(target, minlength=classes)).double() / n
    f1 = 2 * hits / n / share.clamp_min(1 / n)
    k = int((share > 0).sum())
    # How much each example moves the mean of the classes' F1 (its influence function); Takahashi et al. 2022, section 3.3.
    slope = f1 / share.clamp_min(1 / n)
    moved = 2 * (predicted == target) / share[target] - slope[target] - slope[predicted]
    size = torch.tensor(n, dtype=torch.float64)
    return Metric(f1.sum().item() / k, wilson_half_width(moved.double().var() / k**2 / size, size) if n > 1 else None)


def _examples(logits: Tensor, target: Tensor) -> _Examples:
    index = target[:, None]
    log_p = logits.log_softmax(dim=1)
    nll = -log_p.gather(1, index).squeeze(1)
    p = log_p.exp()
    confidence, true_p = p.amax(dim=1), p.gather(1, index).squeeze(1)
    wrong = p.scatter_(1, index, 0.0).square_().sum(dim=1)
    return _Examples(nll, wrong + (1 - true_p).square(), true_p, confidence)


def _probability_metrics(logits: Tensor, target: Tensor, correct: Tensor, scale: float) -> dict[str, Metric]:
    parts = [_examples(z * scale, y) for z, y in _chunks(logits, target)]
    nll, brier, true_p, confidence = (torch.cat(part) for part in zip(*parts, strict=True))
    return {
        "nll": interval_of_mean(nll),
        "brier": interval_of_mean(brier),
        "ece": _calibration_error(confidence, correct),
        "true_class_probability": interval_of_mean(true_p),
    }


def _calibration_error(confidence: Tensor, correct: Tensor) -> Metric:
    # float64: torchmetrics adds in the dtype it is given. Clamped: it puts a confidence of exactly 1 into a bin of its own, the sixteenth.
    confidence = confidence.double().clamp(max=1 - 2**-53)
    value = binary_calibration_error(confidence, correct.long(), n_bins=ECE_BINS, norm="l1", validate_args=False).item()
    return Metric(value, Z95 * _resampled_errors(confidence, correct).std().item() if len(correct) > 1 else None)


def _resampled_errors(confidence: Tensor, correct: Tensor) -> Tensor:
    """Draw the calibration error of ECE_RESAMPLES splits resampled from this one; the same draws at every call with the same n."""
    generator = torch.Generator().manual_seed(ECE_SEED)
    n, gap = len(correct), correct.double() - confidence
    edges = torch.linspace(0, 1, ECE_BINS + 1, dtype=torch.float64)
    bins = torch.bucketize(confidence, edges, right=True) - 1
    errors = []
    for block in torch.arange(ECE_RESAMPLES).split(max(1, _CHUNK // n)):
        draw = torch.randint(n, (len(block), n), generator=generator)
        sums = torch.zeros(len(block), ECE_BINS, dtype=torch.float64).scatter_add_(1, bins[draw], gap[draw])
        errors.append(sums.abs().sum(dim=1) / n)
    return torch.cat(errors)


def _derivatives(logits: Tensor, target: Tensor, scale: float) -> tuple[float, float]:
    """First and second derivative by scale of the summed NLL of softmax(scale * logits)."""
    first = second = 0.0
    for chunk, y in _chunks(logits, target):
        z = chunk.double()
        z = z - z.gather(1, y[:, None])
        weighted = (z * scale).softmax(dim=1).mul_(z)
        mean = weighted.sum(dim=1)
        first += mean.sum().item()
        second += (weighted.mul_(z).sum(dim=1) - mean.square()).sum().item()
    return first, second


def _root(logits: Tensor, target: Tensor, low: float, high: float) -> float:
    """Newton for the zero of the slope, bisecting log s wherever a step leaves the bracket or does not halve the one before."""
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
