"""Cross-entropy of cosines whose scale follows from the number of classes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor

from lossbench.losses.base import Loss
from lossbench.losses.bounds import cosine_scores
from lossbench.losses.scales import cosine_scale
from lossbench.losses.values import negative

__all__ = ["AdaCos", "adacos"]


def adacos(cosines: Tensor, target: Tensor) -> Tensor:
    """AdaCos with its fixed scale: cross-entropy of cosines without a number to tune.

    L = -log softmax(s cos)_y with s = sqrt(2) log(C - 1), at least 1

    Args:
        cosines: (batch, C) between features and class vectors, within [-1, 1].
        target: (batch,) int64 class indices, or (batch, C) class probabilities.

    Returns:
        (batch,) values >= 0 in nats.

    Raises:
        ValueError: a wrong shape or dtype, or logits in place of cosines.

    When to use:
        As `normalized_softmax`, where nothing is to be tuned.

    Pitfalls:
        The scale is 3.1 with 10 classes and 9.8 with 1,000: with the other cosines at 0 p_y reaches 0.71 and 0.95 at
        most, so probabilities need a fitted scale. With two classes, where the paper's scale is 0, and with three it
        is 1. The paper's dynamic scale, which follows the angles of each batch, is not here: an example's value would
        depend on its batch.

    Reference:
        Zhang et al. 2019, AdaCos: Adaptively Scaling Cosine Logits for Effectively Learning Deep Face Representations,
        arXiv 1905.00292, the fixed scale; the equation's number is not checked against the paper.
    """
    cos = cosine_scores(cosines, target, "adacos")
    return negative(torch.log_softmax(cos * cosine_scale(cos.shape[-1]), -1), target)


@final
@dataclass(eq=False)
class AdaCos(Loss):
    """See `adacos`."""

    function: ClassVar[Callable[..., Tensor]] = staticmethod(adacos)
    takes_cosines: ClassVar[bool] = True

    def logits(self, output: Tensor) -> Tensor:
        """Give the scaled cosines."""
        return output * cosine_scale(output.shape[-1])
