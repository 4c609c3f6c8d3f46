"""Cross-entropy whose target is in part what the model predicts itself."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor

from lossbench.losses.base import Loss
from lossbench.losses.values import Number, negative, scores

__all__ = ["BootstrapHard", "BootstrapSoft", "bootstrap_hard", "bootstrap_soft"]


def bootstrap_soft(logits: Tensor, target: Tensor, *, beta: Number = 0.95) -> Tensor:
    """Cross-entropy against a mixture of the label and the model's own prediction.

    L = -sum_k (beta t_k + (1 - beta) p_k) log p_k, the gradient through p_k included

    Args:
        logits: (batch, C), any real values.
        target: (batch,) int64 class indices, or (batch, C) class probabilities t.
        beta: within [0, 1]; 0.95 in the paper, 1 is cross-entropy.

    Returns:
        (batch,) values >= 0 in nats.

    Raises:
        ValueError: a wrong shape or dtype.

    When to use:
        A few wrong labels and a model that learns the right ones first: it may then contradict the label.

    Pitfalls:
        A wrong label still pulls 0.95 of cross-entropy's 1, however sure the model is of another class. A small beta
        lets any confident prediction have a low loss: at beta = 0 the labels are not seen at all.

    Reference:
        Reed et al. 2015, Training Deep Neural Networks on Noisy Labels with Bootstrapping, arXiv 1412.6596; the
        equation's number and beta are not checked against the paper. Some implementations keep the gradient out of the
        predicted part.
    """
    log_p = torch.log_softmax(scores(logits, target), -1)
    entropy = -(log_p.exp() * log_p).sum(-1)
    return beta * negative(log_p, target) + (1 - beta) * entropy


def bootstrap_hard(logits: Tensor, target: Tensor, *, beta: Number = 0.8) -> Tensor:
    """Cross-entropy against a mixture of the label and the class that the model predicts.

    L = -beta sum_k t_k log p_k - (1 - beta) max_k log p_k

    Args:
        logits: (batch, C), any real values.
        target: (batch,) int64 class indices, or (batch, C) class probabilities t.
        beta: within [0, 1]; 0.8 in the paper, 1 is cross-entropy.

    Returns:
        (batch,) values >= 0 in nats.

    Raises:
        ValueError: a wrong shape or dtype.

    When to use:
        As `bootstrap_soft`; the predicted class counts fully, however unsure it is.

    Pitfalls:
        A wrong label still pulls 0.80 of cross-entropy's 1, however sure the model is of another class. At beta = 0 the
        labels are not seen at all.

    Reference:
        Reed et al. 2015, arXiv 1412.6596; the equation's number and beta are not checked against the paper.
    """
    log_p = torch.log_softmax(scores(logits, target), -1)
    return beta * negative(log_p, target) - (1 - beta) * log_p.amax(-1)


@final
@dataclass(eq=False)
class BootstrapSoft(Loss):
    """See `bootstrap_soft`."""

    function: ClassVar[Callable[..., Tensor]] = staticmethod(bootstrap_soft)

    beta: float = 0.95


@final
@dataclass(eq=False)
class BootstrapHard(Loss):
    """See `bootstrap_hard`."""

    function: ClassVar[Callable[..., Tensor]] = staticmethod(bootstrap_hard)

    beta: float = 0.8
