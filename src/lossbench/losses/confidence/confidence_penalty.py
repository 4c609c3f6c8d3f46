"""Cross-entropy with a price on being sure."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor

from lossbench.losses.base import Loss
from lossbench.losses.values import Number, negative, scores

__all__ = ["ConfidencePenalty", "confidence_penalty"]


def confidence_penalty(logits: Tensor, target: Tensor, *, beta: Number = 0.1) -> Tensor:
    """Cross-entropy less a part of the entropy of the prediction.

    L = -log p_y - beta H(p) with p = softmax(z), H(p) = -sum_c p_c log p_c

    Args:
        logits: (batch, C), any real values.
        target: (batch,) int64 class indices, or (batch, C) class probabilities.
        beta: >= 0; 0 is cross-entropy.

    Returns:
        (batch,) values in nats, negative ones where beta log C exceeds the cross-entropy.

    Raises:
        ValueError: a wrong shape or dtype.

    When to use:
        A model that is too sure of itself, where label smoothing (the same with the divergence taken the other way
        round) is thought of.

    Pitfalls:
        With 10 classes the loss is least at p_y = 0.9996 for beta = 0.1, at 0.85 for 0.3 and at 0.48 for 1: small
        values hardly bound the confidence, large ones give wrong probabilities, so calibrate.

    Reference:
        Pereyra et al. 2017, Regularizing Neural Networks by Penalizing Confident Output Distributions, arXiv
        1701.06548; the equation's number and the default, 0.1, are not checked against the paper.
    """
    log_p = torch.log_softmax(scores(logits, target), -1)
    return negative(log_p, target) + beta * (log_p.exp() * log_p).sum(-1)


@final
@dataclass(eq=False)
class ConfidencePenalty(Loss):
    """See `confidence_penalty`."""

    function: ClassVar[Callable[..., Tensor]] = staticmethod(confidence_penalty)

    beta: float = 0.1
