"""The focal loss as it was published: one sigmoid for each label."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor

from lossbench.losses.base import ClassWeighted
from lossbench.losses.several.labels import mean_over_labels
from lossbench.losses.values import Number, Numbers, same_shape, softplus

__all__ = ["SigmoidFocal", "sigmoid_focal"]


def sigmoid_focal(
    logits: Tensor, target: Tensor, *, alpha: Number = 0.25, gamma: Number = 2.0, weight: Numbers = None
) -> Tensor:
    """Binary cross-entropy whose labels count the less the surer they are, and those that hold by alpha.

    L = -1/C sum_c w_c (t_c alpha (1 - s_c)^gamma log s_c + (1 - t_c) (1 - alpha) s_c^gamma log(1 - s_c)) with
    s = sigmoid(logits)

    Args:
        logits: (batch, C), any real values; 0 is a probability of one half.
        target: (batch, C) floats within [0, 1]: t, 1 where the label holds.
        alpha: within (0, 1); 0.25 in the paper, one half weighs both sides alike.
        gamma: >= 0; 2 in the paper.
        weight: C numbers >= 0, one for each label; None weighs all by 1.

    Returns:
        (batch,) values >= 0 in nats, a mean over labels.

    Raises:
        ValueError: a wrong shape or dtype, or not one weight for each label.

    When to use:
        Many labels, nearly all of which are easy: one that does not hold pulls 0.0022 at a probability of 0.1,
        where it pulls 0.1 in `bce`.

    Pitfalls:
        alpha = 0.25 weighs labels that hold less than those that do not: where a label holds in half of the examples,
        the loss is least at 0.40. At gamma = 0 and alpha = 1/2 it is half of `bce`: a larger learning rate makes up
        for that. It differs from `focal`, which is of a softmax.

    Reference:
        Lin et al. 2017, Focal Loss for Dense Object Detection, arXiv 1708.02002, with alpha; as
        torchvision.ops.sigmoid_focal_loss has it. The equation's number is not checked against the paper.
    """
    z, t = same_shape(logits, target, dimensions=2)
    of_true = alpha * softplus(-z) * torch.exp(-gamma * softplus(z))
    of_false = (1 - alpha) * softplus(z) * torch.exp(-gamma * softplus(-z))
    return mean_over_labels(of_true, of_false, t, weight)


@final
@dataclass(eq=False)
class SigmoidFocal(ClassWeighted):
    """See `sigmoid_focal`."""

    function: ClassVar[Callable[..., Tensor]] = staticmethod(sigmoid_focal)
    tasks: ClassVar[tuple[str, ...]] = ("multi_label",)

    alpha: float = 0.25
    gamma: float = 2.0
