"""Cross-entropy of logits of one length."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor

from lossbench.losses.base import Loss
from lossbench.losses.fused import inverse_norm
from lossbench.losses.values import Number, negative, scores, smallest_norm

__all__ = ["LogitNorm", "logit_norm"]


def logit_norm(logits: Tensor, target: Tensor, *, temperature: Number = 0.04) -> Tensor:
    """LogitNorm: cross-entropy of the logits divided by their length, which cannot be made small by longer logits.

    L = -log softmax(z / (temperature ||z||))_y

    Args:
        logits: (batch, C), any real values; 1e-6 (float16: 1e-3) is added to the norm in quadrature.
        target: (batch,) int64 class indices, or (batch, C) class probabilities.
        temperature: > 0; 0.04 for CIFAR-10 as OpenOOD has it; the authors' README shows 0.01.

    Returns:
        (batch,) values >= 0 in nats.

    Raises:
        ValueError: a wrong shape or dtype.

    When to use:
        Telling apart what is like the training data from what is not by the model's confidence.

    Pitfalls:
        The gradient shrinks as 1 / ||z||, as that of `cosine`: tune the learning rate. With 10 classes p_y can come
        as near to 1 as 3e-11 at temperature 0.04, and reaches 0.24 at most at temperature 1. Predictions here are a
        softmax of the normalised logits; the authors test with the raw ones.

    Reference:
        Wei et al. 2022, Mitigating Neural Network Overconfidence with Logit Normalization, arXiv 2205.09310, as in the
        authors' code; the equation's number is not checked against the paper.
    """
    return negative(torch.log_softmax(_normalised(scores(logits, target), _floor(logits), temperature), -1), target)


def _floor(logits: Tensor) -> float:
    """Floor of the norm: it keeps the gradient at 0 finite in the logits' dtype."""
    return max(1e-6, smallest_norm(logits))


def _normalised(z: Tensor, floor: float, temperature: Number) -> Tensor:
    return z * (inverse_norm(z, floor) / temperature).to(z.dtype)


@final
@dataclass(eq=False)
class LogitNorm(Loss):
    """See `logit_norm`."""

    function: ClassVar[Callable[..., Tensor]] = staticmethod(logit_norm)

    temperature: float = 0.04

    def logits(self, output: Tensor) -> Tensor:
        """Give the normalised logits that the cross-entropy sees."""
        wide = output.to(torch.promote_types(output.dtype, torch.float32))
        return _normalised(wide, _floor(output), self.temperature)
