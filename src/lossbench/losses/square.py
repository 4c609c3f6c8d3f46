"""Least squares on the outputs themselves, without a softmax."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, final

from torch import Tensor

from lossbench.losses.base import Loss
from lossbench.losses.scales import cosine_scale
from lossbench.losses.values import Number, pick, scores

__all__ = ["SquareLoss", "square_loss"]


def square_loss(logits: Tensor, target: Tensor, *, true_weight: Number = 1.0, true_value: Number = 1.0) -> Tensor:
    """Square loss: the true class's output should be a number, those of the others 0.

    L = 1/C (true_weight (z_y - true_value)^2 + sum_{c != y} z_c^2)

    Args:
        logits: (batch, C), any real values.
        target: (batch,) int64 class indices, or (batch, C) class probabilities.
        true_weight: > 0; the k of the paper, 1 with few classes.
        true_value: > 0; the M of the paper, 1 with few classes.

    Returns:
        (batch,) values >= 0, in squared units of the outputs.

    Raises:
        ValueError: a wrong shape or dtype.

    When to use:
        A classifier by least squares, as in the paper, which found it as good as cross-entropy in language and speech
        and a little behind in vision. `softmax_mse` is another loss: it squares probabilities.

    Pitfalls:
        With 1,000 classes and both numbers at 1 an output of zeros has the loss 0.001, and the true class's pull is
        0.002: larger numbers (the paper rescales from about a hundred classes on) or a larger learning rate are
        needed. The outputs are no logits: at the minimum, with 10 classes, a raw softmax gives the true class 0.23, so
        calibrate.

    Reference:
        Hui & Belkin 2021, Evaluation of Neural Architectures Trained with Square Loss vs Cross-Entropy in
        Classification Tasks, arXiv 2006.07322; the equations' numbers and the paper's values for ImageNet are not
        checked against the paper.
    """
    z = scores(logits, target)
    return (z.square().sum(-1) + pick(true_weight * (z - true_value).square() - z.square(), target)) / z.shape[-1]


@final
@dataclass(eq=False)
class SquareLoss(Loss):
    """See `square_loss`; its outputs are no logits, and become probabilities once their scale has been fitted."""

    function: ClassVar[Callable[..., Tensor]] = staticmethod(square_loss)

    true_weight: float = 1.0
    true_value: float = 1.0

    def scale_prior(self, classes: int) -> tuple[float, float]:
        """Give the scale of cosines, as the true class's output is to be ahead by `true_value`; to a factor of 3."""
        return cosine_scale(classes) / float(self.true_value), 1.0
