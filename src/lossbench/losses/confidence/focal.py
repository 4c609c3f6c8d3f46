"""Cross-entropy with less weight on what is already right."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor

from lossbench.losses.base import Loss
from lossbench.losses.values import Number, Numbers, expected, of_classes, scores

__all__ = ["Focal", "focal"]


def focal(logits: Tensor, target: Tensor, *, gamma: Number = 2.0, weight: Numbers = None) -> Tensor:
    """Focal loss: cross-entropy with less weight on what is already right.

    L = -w_y (1 - p_y)^gamma log p_y with w = weight, 1 for null; `gamma_end` lets gamma move to it in a straight line
    over the training.

    Args:
        logits: (batch, C), any real values.
        target: (batch,) int64 class indices, or (batch, C) class probabilities.
        gamma: >= 0; 2 in the paper, 0 is cross-entropy.
        weight: C numbers >= 0, one for each class; None weighs all by 1.

    Returns:
        (batch,) values >= 0 in nats. Weights do not change what the mean divides by.

    Raises:
        ValueError: a wrong shape or dtype, or not one weight for each class.

    When to use:
        Many easy examples that outweigh a few hard ones, as in detection; calibration that is better than
        cross-entropy's without a fitted scale.

    Pitfalls:
        At chance it pulls 0.30 with two classes and 1.10 with ten where cross-entropy pulls 0.5 and 0.9: part of what
        it changes is the learning rate. Wrong labels stay hard, and get most of the weight. With gamma_end the loss of
        training and that of validation, which has gamma_end from the first epoch on, are two different numbers.

    Reference:
        Lin et al. 2017, Focal Loss for Dense Object Detection, arXiv 1708.02002, equation 4; there with one sigmoid per
        class and with two weights (its alpha). A gamma that falls in training: Mukhoti et al. 2020, Calibrating Deep
        Neural Networks using Focal Loss, arXiv 2002.09437, in steps; not checked against the paper.
    """
    log_p = torch.log_softmax(scores(logits, target), -1)
    weights = None if weight is None else of_classes("weight", weight, log_p)
    return expected(lambda v: focal_of(v, gamma), log_p, target, weights)


def focal_of(log_p: Tensor, gamma: Number) -> Tensor:
    """-(1 - p)^gamma log p of log p, of any shape."""
    certain = log_p == 0
    # a second where: below gamma = 1 the slope of (1 - p)^gamma is infinite at p = 1
    safe = torch.where(certain, -1.0, log_p)
    return torch.where(certain, 0.0, -safe * (-torch.expm1(safe)) ** gamma)


@final
@dataclass(eq=False)
class Focal(Loss):
    """See `focal`.

    `gamma_end`: what gamma is at the end of the training, to which it moves in a straight line; None keeps gamma.
    """

    function: ClassVar[Callable[..., Tensor]] = staticmethod(focal)
    per_class: ClassVar[tuple[str, ...]] = ("weight",)
    schedule: ClassVar[tuple[str, ...]] = ("gamma_end",)

    gamma: float = 2.0
    weight: Numbers = None
    gamma_end: float | None = None

    def numbers_at(self, progress: Tensor) -> dict[str, Tensor]:
        """Give gamma on its way to `gamma_end`."""
        if self.gamma_end is None:
            return {}
        return {"gamma": self.gamma + (self.gamma_end - self.gamma) * progress}
