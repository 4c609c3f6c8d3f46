"""Losses divided by their sum over all labels that the example could have had."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor

from lossbench.losses.base import Loss
from lossbench.losses.confidence.focal import focal_of
from lossbench.losses.values import Number, expected, pick, scores

__all__ = [
    "NCEMAE",
    "NormalizedCrossEntropy",
    "NormalizedFocal",
    "nce_mae",
    "normalized_cross_entropy",
    "normalized_focal",
]


def normalized_cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy as a share of the cross-entropies of all labels: bounded, so that wrong labels pull little.

    L = log p_y / sum_j log p_j

    Args:
        logits: (batch, C) with C >= 2, any real values.
        target: (batch,) int64 class indices, or (batch, C) class probabilities.

    Returns:
        (batch,) values within [0, 1], without unit; 1 / C at chance.

    Raises:
        ValueError: a wrong shape or dtype.

    When to use:
        To see what normalisation alone does: the values of all labels of an example add up to 1, which makes it robust
        to symmetric noise in theory. For training, `nce_mae`.

    Pitfalls:
        At chance it pulls the true class's logit by 0.039 with ten classes and 0.00014 with 1,000, cross-entropy by 0.9
        and 0.999: alone it underfits. A label that the model contradicts by 10 logits pulls 0.0099 of cross-entropy's
        1.

    Reference:
        Ma et al. 2020, Normalized Loss Functions for Deep Learning with Noisy Labels, arXiv 2006.13554; formula as in
        the authors' code, equation numbers not checked against the paper.
    """
    return _share(-torch.log_softmax(scores(logits, target), -1), target)


def normalized_focal(logits: Tensor, target: Tensor, *, gamma: Number = 0.5) -> Tensor:
    """Focal loss as a share of the focal losses of all labels.

    L = (1 - p_y)^gamma log p_y / sum_j (1 - p_j)^gamma log p_j

    Args:
        logits: (batch, C) with C >= 2, any real values.
        target: (batch,) int64 class indices, or (batch, C) class probabilities.
        gamma: >= 0; 0.5 in the authors' code, 0 is `normalized_cross_entropy`.

    Returns:
        (batch,) values within [0, 1], without unit; 1 / C at chance.

    Raises:
        ValueError: a wrong shape or dtype.

    When to use:
        As `normalized_cross_entropy`; gamma takes weight from examples that are right already.

    Pitfalls:
        At chance it pulls 0.044 with ten classes and 0.00015 with 1,000, cross-entropy 0.9 and 0.999: alone it
        underfits. gamma changes little, 0.059 and 0.00015 at gamma = 2.

    Reference:
        Ma et al. 2020, arXiv 2006.13554; values and gamma as in the authors' code, which multiplies it by 10 and takes
        the factors (1 - p)^gamma for constants of the gradient; here the gradient is the formula's. Equation numbers
        not checked against the paper.
    """
    log_p = torch.log_softmax(scores(logits, target), -1)
    return _share(focal_of(log_p, gamma), target)


def nce_mae(logits: Tensor, target: Tensor, *, active_weight: Number = 1.0, passive_weight: Number = 1.0) -> Tensor:
    """Active-passive loss: normalised cross-entropy, which raises the label, plus 1 - p_y, which lowers the others.

    L = active_weight log p_y / sum_j log p_j + passive_weight (1 - p_y)

    Args:
        logits: (batch, C) with C >= 2, any real values.
        target: (batch,) int64 class indices, or (batch, C) class probabilities.
        active_weight: >= 0; the paper's alpha, 1 on CIFAR-10 and 10 on CIFAR-100.
        passive_weight: >= 0; the paper's beta, 1 on both, of half the absolute error. The authors' reverse
            cross-entropy with log 0 = log 1e-4 is 9.21 (1 - p_y): NCE+RCE with beta is this loss with 9.21 beta, and
            loss=nce_rce is it with beta = 1 as on CIFAR-10; on CIFAR-100 they have alpha = 10 and beta = 0.1.

    Returns:
        (batch,) values within [0, active_weight + passive_weight], without unit.

    Raises:
        ValueError: a wrong shape or dtype.

    When to use:
        Labels of which many are wrong, where `mae_prob` alone learns too slowly.

    Pitfalls:
        At chance it pulls 0.129 with ten classes and 0.0011 with 1,000, cross-entropy 0.9 and 0.999: raise
        active_weight with the number of classes. Under Adam only the ratio of the weights matters; under SGD both are
        learning rates too.

    Reference:
        Ma et al. 2020, arXiv 2006.13554; formula and weights as in the authors' code, equation numbers not checked
        against the paper.
    """
    terms = _active_passive(logits, target, active_weight, passive_weight)
    return terms["active"] + terms["passive"]


def _share(values: Tensor, target: Tensor) -> Tensor:
    """The label's part of the sum over all labels: (batch, C) -> (batch,)."""
    return pick(values, target) / values.sum(-1)


def _active_passive(logits: Tensor, target: Tensor, active_weight: Number, passive_weight: Number) -> dict[str, Tensor]:
    log_p = torch.log_softmax(scores(logits, target), -1)
    passive = expected(lambda v: -passive_weight * torch.expm1(v), log_p, target)
    return {"active": active_weight * _share(-log_p, target), "passive": passive}


@final
@dataclass(eq=False)
class NormalizedCrossEntropy(Loss):
    """See `normalized_cross_entropy`."""

    function: ClassVar[Callable[..., Tensor]] = staticmethod(normalized_cross_entropy)


@final
@dataclass(eq=False)
class NormalizedFocal(Loss):
    """See `normalized_focal`."""

    function: ClassVar[Callable[..., Tensor]] = staticmethod(normalized_focal)

    gamma: float = 0.5


@final
@dataclass(eq=False)
class NCEMAE(Loss):
    """See `nce_mae`."""

    function: ClassVar[Callable[..., Tensor]] = staticmethod(nce_mae)

    active_weight: float = 1.0
    passive_weight: float = 1.0

    def terms(self, output: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Give the normalised cross-entropy and the absolute error, weighted, each (batch,)."""
        return _active_passive(output, target, **self.hyper_parameters())
