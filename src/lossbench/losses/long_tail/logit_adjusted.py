"""Cross-entropy adjusted by the classes' frequencies."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor

from lossbench.losses.base import Loss
from lossbench.losses.values import Number, Numbers, negative, of_classes, scores

__all__ = ["LogitAdjusted", "logit_adjusted"]


def logit_adjusted(logits: Tensor, target: Tensor, *, tau: Number = 1.0, class_counts: Numbers = None) -> Tensor:
    """Cross-entropy with the classes' frequencies added in training, so that the logits alone favour no frequent class.

    L = -log softmax(z + tau log pi)_y with pi_c = class_counts_c / sum(class_counts)

    Args:
        logits: (batch, C), any real values.
        target: (batch,) int64 class indices, or (batch, C) class probabilities.
        tau: >= 0; 1 in the paper, 0 is cross-entropy.
        class_counts: C numbers > 0, how many examples each class has; None takes all classes for equally frequent. In a
            run null is replaced by the counts of the training split.

    Returns:
        (batch,) values >= 0 in nats.

    Raises:
        ValueError: a wrong shape or dtype, or not one count for each class.

    When to use:
        Training data whose classes are unequally frequent, judged by balanced accuracy.

    Pitfalls:
        On balanced data it is cross-entropy. class_counts come from the training split unless they are given; a class
        without examples is refused.

    Reference:
        Menon et al. 2021, Long-tail learning via logit adjustment, arXiv 2007.07314, equation 10.
    """
    wide = scores(logits, target)
    if class_counts is not None:
        counts = of_classes("class_counts", class_counts, wide)
        wide = wide + tau * (counts / counts.sum()).log()
    return negative(torch.log_softmax(wide, -1), target)


@final
@dataclass(eq=False)
class LogitAdjusted(Loss):
    """See `logit_adjusted`."""

    function: ClassVar[Callable[..., Tensor]] = staticmethod(logit_adjusted)

    per_class: ClassVar[tuple[str, ...]] = ("class_counts",)

    tau: float = 1.0
    class_counts: Numbers = None
