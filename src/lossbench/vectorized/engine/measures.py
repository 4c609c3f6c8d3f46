"""What is measured of many runs at once: the values of `lossbench.metrics`, without their intervals."""

import torch
from torch import Tensor

from lossbench.metrics.classification import ECE_BINS


def classification_values(logits: Tensor, target: Tensor) -> dict[str, Tensor]:
    """Judge K classifiers on one split: the values of `classification_metrics`, run by run.

    Args:
        logits: (K, n, C).
        target: (n,) class indices.

    Returns:
        Name to (K,) float64, in the same order; NaN for a run whose logits are not all finite.
    """
    index = target.expand(len(logits), -1).unsqueeze(-1)
    own = logits.gather(-1, index)
    ahead = (logits > own) | ((logits == own) & (torch.arange(logits.shape[-1], device=logits.device) < index))
    rank = ahead.count_nonzero(dim=-1)
    correct = rank == 0
    values = {"accuracy": correct.double().mean(1)}
    if logits.shape[-1] > 5:
        values["top5_accuracy"] = (rank < 5).double().mean(1)
    values |= {"error_rate": (~correct).double().mean(1), "balanced_accuracy": _balanced(correct, target)}
    values["macro_f1"] = _macro_f1(logits.argmax(-1), correct, target, logits.shape[-1])
    log_p = logits.log_softmax(-1)
    p = log_p.exp()
    confidence, true_p = p.amax(-1), p.gather(-1, index).squeeze(-1)
    wrong = p.scatter(-1, index, 0.0).square().sum(-1)
    values["nll"] = -log_p.gather(-1, index).squeeze(-1).double().mean(1)
    values["brier"] = (wrong + (1 - true_p).square()).double().mean(1)
    values["ece"] = _calibration_errors(confidence, correct)
    values["true_class_probability"] = true_p.double().mean(1)
    spoilt = ~logits.flatten(1).isfinite().all(1)
    return {name: value.masked_fill(spoilt, torch.nan) for name, value in values.items()}


def _balanced(correct: Tensor, target: Tensor) -> Tensor:
    support = torch.bincount(target)
    hits = torch.zeros(len(correct), len(support), dtype=torch.float64, device=correct.device)
    hits.scatter_add_(1, target.expand(len(correct), -1), correct.double())
    return (hits[:, support > 0] / support[support > 0]).mean(1)


def _macro_f1(predicted: Tensor, correct: Tensor, target: Tensor, classes: int) -> Tensor:
    ones = torch.ones_like(correct, dtype=torch.float64)
    zeros = torch.zeros(len(correct), classes, dtype=torch.float64, device=correct.device)
    hits = zeros.scatter_add(1, predicted, correct.double())
    seen = zeros.scatter_add(1, predicted, ones).scatter_add(1, target.expand(len(correct), -1), ones)
    return (2 * hits / seen.clamp_min(1)).sum(1) / (seen > 0).sum(1)


def _calibration_errors(confidence: Tensor, correct: Tensor) -> Tensor:
    confidence = confidence.double().clamp(max=1 - 2**-53)
    edges = torch.linspace(0, 1, ECE_BINS + 1, dtype=torch.float64, device=confidence.device)
    bins = torch.bucketize(confidence.nan_to_num(), edges, right=True) - 1
    gaps = torch.zeros(len(confidence), ECE_BINS, dtype=torch.float64, device=confidence.device)
    gaps.scatter_add_(1, bins, correct.double() - confidence)
    return gaps.abs().sum(1) / confidence.shape[1]
