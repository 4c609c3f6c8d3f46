"""Whether a classifier's probabilities can be believed, raw and after temperature scaling. Torch-free at import."""

from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

from lossbench.metrics.estimates import Z95, Estimate, jackknife, mean
from lossbench.metrics.registry import metric

if TYPE_CHECKING:
    from torch import Tensor

    from lossbench.metrics.classes import Classes, Probabilities

ECE_BINS = 15
ECE_RESAMPLES = 200
ECE_SEED = 20_150_215
AT_ONCE = 2**20  # examples drawn at a time


@metric("nll", unit="nats", better="lower", shown="nowhere")
def nll(outputs: "Classes") -> Estimate:
    """mean -log p_y, nats."""
    return mean(outputs.raw.nll)


@metric("brier", better="lower", shown="nowhere")
def brier(outputs: "Classes") -> Estimate:
    """mean sum_k (p_k - [k = y])^2, 0..2.

    Reference:
        Brier 1950, eq. 2.
    """
    return mean(outputs.raw.brier)


@metric("ece", better="lower", shown="nowhere")
def ece(outputs: "Classes") -> Estimate:
    """Sum over 15 equal bins of max p of |sum of ([argmax p = y] - max p)| / n, 0..1; 1.96 bootstrap standard errors.

    It is itself biased upwards on small splits.

    Reference:
        Guo et al. 2017, On Calibration of Modern Neural Networks, eq. 3.
    """
    return _calibration_error(outputs, outputs.raw)


@metric("nll_scaled", unit="nats", better="lower", shown="below the loss")
def nll_scaled(outputs: "Classes") -> Estimate | None:
    """nll of softmax(scale * logits), once a scale is fitted."""
    return None if outputs.scaled is None else mean(outputs.scaled.nll)


@metric("brier_scaled", better="lower", shown="nowhere")
def brier_scaled(outputs: "Classes") -> Estimate | None:
    """brier of softmax(scale * logits), once a scale is fitted."""
    return None if outputs.scaled is None else mean(outputs.scaled.brier)


@metric("ece_scaled", better="lower", shown="below the loss")
def ece_scaled(outputs: "Classes") -> Estimate | None:
    """ece of softmax(scale * logits), once a scale is fitted."""
    return None if outputs.scaled is None else _calibration_error(outputs, outputs.scaled)


@metric("true_class_probability", better="higher", shown="below the loss")
def true_class_probability(outputs: "Classes") -> Estimate:
    """mean p_y, 0..1."""
    return mean(outputs.raw.true_class)


def _calibration_error(outputs: "Classes", probabilities: "Probabilities") -> Estimate:
    import torch

    # Clamped: a confidence of exactly 1 belongs to the last bin.
    confidence = probabilities.confidence.double().clamp(max=1 - 2**-53)
    gap = outputs.correct.double() - confidence
    edges = torch.linspace(0, 1, ECE_BINS + 1, dtype=torch.float64, device=gap.device)
    bins = torch.bucketize(confidence, edges, right=True) - 1
    sums = (_sums_on_gpu if gap.is_cuda else _sums)(bins, gap)
    value = sums.abs().sum(1) / outputs.n

    def half_width() -> "Tensor":
        if outputs.n == 1:
            return value * torch.nan
        return Z95 * _resampled_errors(bins.cpu(), gap.cpu()).std(1)

    def parts() -> "Tensor":
        own = sums.gather(1, bins)
        without = sums.abs().sum(1, keepdim=True) - own.abs() + (own - gap).abs()
        return jackknife(value, without / max(1, outputs.n - 1))

    return Estimate(value, half_width, parts)


def _sums(bins: "Tensor", gap: "Tensor") -> "Tensor":
    """Sums of the gaps in each bin: (K, n) each -> (K, bins)."""
    return gap.new_zeros(len(gap), ECE_BINS).scatter_add_(1, bins, gap)


def _sums_on_gpu(bins: "Tensor", gap: "Tensor") -> "Tensor":
    """The same in the same order each time: a GPU's scatter_add adds in any order, and its last digits change."""
    import torch

    return torch.stack([torch.where(bins == k, gap, 0.0).sum(1) for k in range(ECE_BINS)], dim=1)


def _draws(n: int) -> Iterator["Tensor"]:
    """How often each of n examples is drawn with replacement: ECE_RESAMPLES rows, (k, n) float64, in blocks."""
    import torch

    generator = torch.Generator().manual_seed(ECE_SEED)
    for block in torch.arange(ECE_RESAMPLES).split(max(1, AT_ONCE // n)):
        drawn = torch.randint(n, (len(block), n), generator=generator)
        yield torch.zeros(len(block), n, dtype=torch.float64).scatter_add_(1, drawn, torch.ones_like(drawn).double())


@lru_cache(maxsize=4)
def _few_draws(n: int) -> list["Tensor"]:
    """The same, kept for the next runs: to draw takes as long as all that is done with it."""
    return list(_draws(n))


def _resampled_errors(bins: "Tensor", gap: "Tensor") -> "Tensor":
    """Calibration errors of splits resampled from these, (K, ECE_RESAMPLES); calls with the same n draw the same.

    Args:
        bins: of each example, (K, n).
        gap: between what is right and the confidence, (K, n).
    """
    import torch

    (runs, n), errors = gap.shape, []
    by_bin = gap.new_zeros(n, runs, ECE_BINS).scatter_(2, bins.T[..., None], gap.T[..., None]).flatten(1)
    for drawn in _few_draws(n) if n * ECE_RESAMPLES <= AT_ONCE else _draws(n):
        sums = (drawn @ by_bin).unflatten(1, (runs, ECE_BINS))
        errors.append(sums.abs().sum(dim=2) / n)
    return torch.cat(errors).T
