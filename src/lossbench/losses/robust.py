"""Cross-entropy with another weight on easy, hard or wrongly labelled examples, or with a second term."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor

from lossbench.losses.base import Loss
from lossbench.losses.values import Number, expected, negative, scores
from lossbench.losses.written import written, xent_and_squares

__all__ = [
    "MAEProb",
    "Poly1",
    "Squentropy",
    "SymmetricCrossEntropy",
    "mae_prob",
    "poly1",
    "squentropy",
    "symmetric_cross_entropy",
]


def poly1(logits: Tensor, target: Tensor, *, epsilon: Number = 2.0) -> Tensor:
    """Poly-1: cross-entropy whose first term in powers of 1 - p_y has a weight of its own.

    L = -log p_y + epsilon (1 - p_y)

    Args:
        logits: (batch, C), any real values.
        target: (batch,) int64 class indices, or (batch, C) class probabilities.
        epsilon: >= -1, below which the loss rises before p_y = 1; 2 in the paper's ImageNet runs, 0 is cross-entropy.

    Returns:
        (batch,) values >= 0; nats plus a fraction.

    Raises:
        ValueError: a wrong shape or dtype.

    When to use:
        A cross-entropy with one more hyper-parameter, to be tuned together with the learning rate.

    Pitfalls:
        With epsilon = 2 the pull at chance is twice cross-entropy's with two classes and equal to it with 1,000: part
        of what it gains is a larger learning rate.

    Reference:
        Leng et al. 2022, PolyLoss, arXiv 2204.12511, section 4 (Poly-1).
    """
    log_p = torch.log_softmax(scores(logits, target), -1)
    return expected(lambda v: -v - epsilon * torch.expm1(v), log_p, target)


def symmetric_cross_entropy(
    logits: Tensor, target: Tensor, *, xent_weight: Number = 0.1, reverse_weight: Number = 1.0, log_zero: Number = -4.0
) -> Tensor:
    """Cross-entropy plus the cross-entropy with model and target exchanged, which wrong labels pull less.

    L = -xent_weight log p_y - reverse_weight log_zero (1 - p_y)

    Args:
        logits: (batch, C), any real values.
        target: (batch,) int64 class indices, or (batch, C) class probabilities.
        xent_weight: >= 0; the paper's alpha, 0.1 on CIFAR-10.
        reverse_weight: >= 0; the paper's beta, 1 on CIFAR-10.
        log_zero: < 0; the paper's A, what log 0 of the other classes' target counts as. Only reverse_weight * log_zero
            matters.

    Returns:
        (batch,) values >= 0; weighted nats.

    Raises:
        ValueError: a wrong shape or dtype.

    When to use:
        Labels of which a part is wrong: the reverse term pulls no example much.

    Pitfalls:
        With the paper's weights the pull at chance falls from 1.05 with two classes to 0.104 with 1,000: raise
        xent_weight with the number of classes. Only reverse_weight * log_zero matters; do not sweep both.

    Reference:
        Wang et al. 2019, Symmetric Cross Entropy for Robust Learning with Noisy Labels, arXiv 1908.06112, section 3.
    """
    terms = _symmetric_terms(logits, target, xent_weight, reverse_weight, log_zero)
    return terms["xent"] + terms["reverse"]


def mae_prob(logits: Tensor, target: Tensor) -> Tensor:
    """Absolute error of the probabilities: hard examples, wrong labels among them, pull no more than easy ones.

    L = sum_c |e_y - p|_c = 2 (1 - p_y)

    Args:
        logits: (batch, C), any real values.
        target: (batch,) int64 class indices, or (batch, C) class probabilities t; then L = 2 (1 - sum_c t_c p_c), the
            expected loss.

    Returns:
        (batch,) values within [0, 2], without unit.

    Raises:
        ValueError: a wrong shape or dtype.

    When to use:
        Labels of which many are wrong, few classes, and many epochs.

    Pitfalls:
        At chance with 1,000 classes the pull is 0.002, that of cross-entropy 0.999: training from scratch hardly
        starts. It is twice `dot_product` plus 2.

    Reference:
        Ghosh et al. 2017, Robust Loss Functions under Label Noise, arXiv 1712.09482, section 3; twice `power` at q = 1.
    """
    return expected(lambda log_p: -2 * torch.expm1(log_p), torch.log_softmax(scores(logits, target), -1), target)


def squentropy(logits: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy plus the mean square of the wrong classes' logits, which also fixes their level.

    L = -log p_y + 1 / (C - 1) sum_{c != y} z_c^2

    Args:
        logits: (batch, C) with C >= 2, any real values.
        target: (batch,) int64 class indices, or (batch, C) class probabilities.

    Returns:
        (batch,) values >= 0; nats plus a mean square.

    Raises:
        ValueError: a wrong shape or dtype.

    When to use:
        Cross-entropy whose logits keep their level: published with better calibration at equal accuracy.

    Pitfalls:
        It sees the level of the logits, not their differences alone: adding a number to all of them changes it.

    Reference:
        Hui, Belkin & Wright 2023, Cut your Losses with Squentropy, arXiv 2302.03952, equation 1.
    """
    if target.is_floating_point():
        return _squentropy(logits, target)
    return written(scores(logits, target), target, xent_and_squares(_squentropy))[0]


def _symmetric_terms(
    logits: Tensor, target: Tensor, xent_weight: Number, reverse_weight: Number, log_zero: Number
) -> dict[str, Tensor]:
    log_p = torch.log_softmax(scores(logits, target), -1)
    reverse = expected(lambda v: reverse_weight * log_zero * torch.expm1(v), log_p, target)
    return {"xent": xent_weight * negative(log_p, target), "reverse": reverse}


def _squentropy(logits: Tensor, target: Tensor) -> Tensor:
    terms = _squentropy_terms(logits, target)
    return terms["xent"] + terms["square"]


def _squentropy_terms(logits: Tensor, target: Tensor) -> dict[str, Tensor]:
    wide = scores(logits, target)
    if target.is_floating_point():
        wrong = (1 - target.to(wide.dtype)) * wide * wide
    else:
        wrong = wide.scatter(-1, target.unsqueeze(-1), 0.0).square()
    return {"xent": negative(torch.log_softmax(wide, -1), target), "square": wrong.sum(-1) / (wide.shape[-1] - 1)}


@final
@dataclass(eq=False)
class Poly1(Loss):
    """See `poly1`."""

    function: ClassVar[Callable[..., Tensor]] = staticmethod(poly1)

    epsilon: float = 2.0


@final
@dataclass(eq=False)
class SymmetricCrossEntropy(Loss):
    """See `symmetric_cross_entropy`."""

    function: ClassVar[Callable[..., Tensor]] = staticmethod(symmetric_cross_entropy)

    xent_weight: float = 0.1
    reverse_weight: float = 1.0
    log_zero: float = -4.0

    def terms(self, output: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Give the two weighted cross-entropies, each (batch,)."""
        return _symmetric_terms(output, target, **self.hyper_parameters())


@final
@dataclass(eq=False)
class MAEProb(Loss):
    """See `mae_prob`."""

    function: ClassVar[Callable[..., Tensor]] = staticmethod(mae_prob)


@final
@dataclass(eq=False)
class Squentropy(Loss):
    """See `squentropy`."""

    function: ClassVar[Callable[..., Tensor]] = staticmethod(squentropy)

    def terms(self, output: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Give the cross-entropy and the mean square of the wrong classes' logits, each (batch,)."""
        return _squentropy_terms(output, target)
