"""Losses of p_y between cross-entropy and the absolute error 1 - p_y."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor

from lossbench.losses.base import Loss
from lossbench.losses.values import Number, expected, scores

__all__ = ["JensenShannon", "TaylorCrossEntropy", "jensen_shannon", "taylor_cross_entropy"]

LARGEST_ORDER = 20
"""Of the Taylor series; `config/rules` refuses larger ones."""
LARGEST_LOG = 60.0
"""Beyond it p_y < 1e-26, and p_y log(1 / p_y) is 0 to the last digit."""


def jensen_shannon(logits: Tensor, target: Tensor, *, label_weight: Number = 0.5) -> Tensor:
    """Jensen-Shannon divergence between label and prediction: from cross-entropy to the absolute error.

    L = (w KL(e_y | m) + (1 - w) KL(p | m)) / Z with m = w e_y + (1 - w) p and Z = -(1 - w) log(1 - w), w = label_weight

    Args:
        logits: (batch, C), any real values.
        target: (batch,) int64 class indices, or (batch, C) class probabilities; then the expected loss.
        label_weight: within (0, 1), the paper's pi_1. Towards 0 it is cross-entropy, towards 1 it is 1 - p_y; 0.7 in
            the authors' configuration for CIFAR-10 with 40 % symmetric noise.

    Returns:
        (batch,) values >= 0, at most H(w) / Z, which is 2 for w = 0.5; without unit.

    Raises:
        ValueError: a wrong shape or dtype.

    When to use:
        Labels of which a part is wrong: one number moves from cross-entropy to `mae_prob`, as q does in `power`.

    Pitfalls:
        At chance it pulls 0.64, 0.31 and 0.18 with ten classes for w = 0.1, 0.5 and 0.9, and 0.045, 0.010 and 0.0040
        with 1,000, where cross-entropy pulls 0.9 and 0.999. A label that the model contradicts by 10 logits pulls
        0.0034 at w = 0.1, so even there it is far from cross-entropy's 1.

    Reference:
        Englesson & Azizpour 2021, Generalized Jensen-Shannon Divergence Loss for Learning with Noisy Labels, arXiv
        2105.04522; formula and weights as in the authors' code, equation numbers not checked against the paper. Its
        generalised form compares predictions of several augmentations of one image and is not here.
    """
    w, log_rest = label_weight, _log1p_minus(label_weight)

    def of_log_p(log_p: Tensor) -> Tensor:
        p, wrong = log_p.exp(), -torch.expm1(log_p)
        odds = torch.expm1(torch.where(log_p < -LARGEST_LOG, LARGEST_LOG, -log_p))  # (1 - p) / p
        label_part = -w * torch.log1p(-(1 - w) * wrong)
        prediction_part = -(1 - w) * (wrong * log_rest + p * torch.log1p(w * odds))
        return (label_part + prediction_part) / (-(1 - w) * log_rest)

    return expected(of_log_p, torch.log_softmax(scores(logits, target), -1), target)


def taylor_cross_entropy(logits: Tensor, target: Tensor, *, order: int | Tensor = 2) -> Tensor:
    """The first terms of cross-entropy's Taylor series around p_y = 1: bounded, so that wrong labels pull little.

    L = sum_{i = 1 .. order} (1 - p_y)^i / i

    Args:
        logits: (batch, C), any real values.
        target: (batch,) int64 class indices, or (batch, C) class probabilities.
        order: a whole number within 1 and 20; 1 is 1 - p_y, more terms come closer to cross-entropy.

    Returns:
        (batch,) values within [0, 1 + 1/2 + ... + 1/order]; nats, less what the series lacks.

    Raises:
        ValueError: a wrong shape or dtype.

    When to use:
        Labels of which a part is wrong: the order moves from `mae_prob` (1) towards cross-entropy.

    Pitfalls:
        Where p_y is small it pulls order times as much as 1 - p_y, no more: at chance 0.17 with ten classes and 0.0020
        with 1,000 for order 2, cross-entropy 0.9 and 0.999. With many classes training from scratch hardly starts.

    Reference:
        Feng et al. 2020, Can Cross Entropy Loss Be Robust to Label Noise?, IJCAI 2020, paper 305; equation numbers and
        the paper's orders not checked against it.
    """

    def of_log_p(log_p: Tensor) -> Tensor:
        wrong = -torch.expm1(log_p)
        if not isinstance(order, Tensor):
            return _series(wrong, [1 / i for i in range(1, order + 1)])
        within = [(order >= i).to(wrong.dtype) / i for i in range(1, LARGEST_ORDER + 1)]
        return _series(wrong, within)

    return expected(of_log_p, torch.log_softmax(scores(logits, target), -1), target)


def _series(x: Tensor, coefficients: list[float] | list[Tensor]) -> Tensor:
    """sum_i coefficients_i x^i for i >= 1, by Horner's rule."""
    total: Tensor | float = 0.0
    for coefficient in reversed(coefficients):
        total = (total + coefficient) * x
    assert isinstance(total, Tensor)
    return total


def _log1p_minus(w: Number) -> Number:
    """log(1 - w)."""
    return torch.log1p(-w) if isinstance(w, Tensor) else math.log1p(-w)


@final
@dataclass(eq=False)
class JensenShannon(Loss):
    """See `jensen_shannon`."""

    function: ClassVar[Callable[..., Tensor]] = staticmethod(jensen_shannon)

    label_weight: float = 0.5


@final
@dataclass(eq=False)
class TaylorCrossEntropy(Loss):
    """See `taylor_cross_entropy`."""

    function: ClassVar[Callable[..., Tensor]] = staticmethod(taylor_cross_entropy)

    order: int = 2
