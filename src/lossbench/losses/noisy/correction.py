"""Cross-entropy corrected by a matrix that says how labels become wrong."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor

from lossbench.losses.base import Loss
from lossbench.losses.values import negative, scores

__all__ = ["BackwardCorrection", "ForwardCorrection", "backward_correction", "forward_correction"]

Matrix = Sequence[Sequence[float]] | Tensor
"""T: a row for each true class, a column for each given label; each row adds up to 1."""


def forward_correction(logits: Tensor, target: Tensor, *, matrix: Matrix | None = None) -> Tensor:
    """Cross-entropy of the given label, where the model predicts the true class and the matrix makes labels of it.

    L = -log sum_i p_i T_{iy}

    Args:
        logits: (batch, C), any real values.
        target: (batch,) int64 class indices, or (batch, C) class probabilities.
        matrix: T, (C, C): T_ij is the probability that an example of class i has the label j. None is the identity,
            which is cross-entropy. In a run null is replaced by how the training labels were changed: the identity too
            where they were not.

    Returns:
        (batch,) values >= 0 in nats.

    Raises:
        ValueError: a wrong shape or dtype.

    When to use:
        Wrong labels that follow a pattern of classes which is known, or can be estimated.

    Pitfalls:
        The matrix must be about right. With ten classes of which 40 % of the labels are wrong, a label that the model
        contradicts by 10 logits pulls 0.00057, cross-entropy 1. A label whose column of the matrix is 0 is refused.
        Soft targets, as of mixup, take (batch, C, C) numbers: 0.5 GB for 128 examples of 1,000 classes.

    Reference:
        Patrini et al. 2017, Making Deep Neural Networks Robust to Label Noise: a Loss Correction Approach, arXiv
        1609.03683, theorem 2; the theorem's number is not checked against the paper.
    """
    log_p = torch.log_softmax(scores(logits, target), -1)
    if matrix is None:
        return negative(log_p, target)
    rates = _square(matrix, log_p)
    possible = rates > 0
    log_rates = torch.where(possible, torch.where(possible, rates, 1.0).log(), -torch.inf)
    if target.is_floating_point():
        return negative(torch.logsumexp(log_p.unsqueeze(-1) + log_rates, -2), target)
    return -torch.logsumexp(log_p + log_rates.T[target], -1)


def backward_correction(logits: Tensor, target: Tensor, *, matrix: Matrix | None = None) -> Tensor:
    """Cross-entropies of all classes, weighted so that their mean over wrong labels is that of the true class.

    L = -sum_j (T^-1)_{yj} log p_j

    Args:
        logits: (batch, C), any real values.
        target: (batch,) int64 class indices, or (batch, C) class probabilities.
        matrix: T, (C, C), with an inverse; see `forward_correction`. None is cross-entropy.

    Returns:
        (batch,) values in nats, of either sign, without a lower bound.

    Raises:
        ValueError: a wrong shape or dtype.

    When to use:
        As `forward_correction`; its mean over labels is exactly the cross-entropy of the true classes.

    Pitfalls:
        It falls without bound as the model grows sure of a label, and pulls harder than cross-entropy: 1.62 against 0.9
        at chance with ten classes of which 40 % of the labels are wrong. The inverse is taken in every step: 0.11 s for
        1,000 classes on one core.

    Reference:
        Patrini et al. 2017, arXiv 1609.03683, theorem 1; the theorem's number is not checked against the paper.
    """
    log_p = torch.log_softmax(scores(logits, target), -1)
    if matrix is None:
        return negative(log_p, target)
    inverse = torch.linalg.inv(_square(matrix, log_p).double())
    # a product in float64 is the one that autocast leaves alone
    weights = target.double() @ inverse if target.is_floating_point() else inverse[target]
    return -(weights.to(log_p.dtype) * log_p).sum(-1)


def _square(matrix: Matrix, log_p: Tensor) -> Tensor:
    rates = torch.as_tensor(matrix, dtype=log_p.dtype, device=log_p.device)
    classes = log_p.shape[-1]
    if rates.shape != (classes, classes):
        raise ValueError(
            f"matrix must have a row and a column for each of the {classes} classes, got {tuple(rates.shape)}"
        )
    return rates


@final
@dataclass(eq=False)
class ForwardCorrection(Loss):
    """See `forward_correction`."""

    function: ClassVar[Callable[..., Tensor]] = staticmethod(forward_correction)

    per_class: ClassVar[tuple[str, ...]] = ("matrix",)

    matrix: Matrix | None = None


@final
@dataclass(eq=False)
class BackwardCorrection(Loss):
    """See `backward_correction`."""

    function: ClassVar[Callable[..., Tensor]] = staticmethod(backward_correction)

    per_class: ClassVar[tuple[str, ...]] = ("matrix",)

    matrix: Matrix | None = None
