"""The squared earth mover's distance between predicted and true distribution over classes in order."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor

from lossbench.losses.base import Loss
from lossbench.losses.values import scores

__all__ = ["SquaredEMD", "squared_emd"]


def squared_emd(logits: Tensor, target: Tensor) -> Tensor:
    """Squared distance between cumulative distributions: probability costs more the further off it lies.

    L = sum_k (sum_{c <= k} p_c - t_c)^2 with p = softmax(logits), t the one-hot target

    Args:
        logits: (batch, C), any real values, of classes in their order.
        target: (batch,) int64 class indices, or (batch, C) class probabilities.

    Returns:
        (batch,) values within [0, C - 1], without unit.

    Raises:
        ValueError: a wrong shape or dtype.

    When to use:
        Classes in order whose probabilities are wanted too, with any model of a softmax; ratings by several people, as
        distributions.

    Pitfalls:
        Like all losses of probabilities it is flat where the model is surely wrong: with 5 classes and all but 0.13 %
        of the probability in the class furthest off it is 4.0, and pulls 0.0027 where cross_entropy pulls 1.0. Start
        from small outputs. A class in the middle costs less at chance than one at an end: 0.40 and 1.20 for 5
        classes.

    Reference:
        Hou, Yu & Samaras 2016, Squared Earth Mover's Distance-based Loss for Training Deep Neural Networks, arXiv
        1611.05916, section 3, without a factor 1 / C (the number of the equation was not checked against the paper).
    """
    z = scores(logits, target)
    p = torch.softmax(z, -1)
    if target.is_floating_point():
        return (p - target.to(p.dtype)).cumsum(-1).square().sum(-1)
    classes = torch.arange(z.shape[-1], device=z.device)
    reached = (classes >= target.unsqueeze(-1)).to(p.dtype)
    return (p.cumsum(-1) - reached).square().sum(-1)


@final
@dataclass(eq=False)
class SquaredEMD(Loss):
    """See `squared_emd`."""

    function: ClassVar[Callable[..., Tensor]] = staticmethod(squared_emd)
    tasks: ClassVar[tuple[str, ...]] = ("ordinal",)
