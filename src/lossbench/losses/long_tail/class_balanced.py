"""Cross-entropy whose rare classes weigh more, by the effective number of their examples."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor

from lossbench.losses.base import Loss
from lossbench.losses.class_weights import effective_number
from lossbench.losses.values import Number, Numbers, expected, of_classes, scores

__all__ = ["ClassBalanced", "class_balanced"]


def class_balanced(logits: Tensor, target: Tensor, *, beta: Number = 0.9999, class_counts: Numbers = None) -> Tensor:
    """Cross-entropy weighted by the inverse of the effective number of each class's examples.

    L = -w_y log p_y with p = softmax(z), w = k (1 - beta) / (1 - beta^n) of a class with n examples (class_counts), and
    k so that the C weights have mean 1

    Args:
        logits: (batch, C), any real values.
        target: (batch,) int64 class indices, or (batch, C) class probabilities.
        beta: within [0, 1); 0 is cross-entropy, towards 1 the weights become those of inverse frequency.
        class_counts: C numbers > 0, how many examples each class has; None takes all classes for equally frequent. In a
            run null is replaced by the counts of the training split.

    Returns:
        (batch,) values >= 0 in weighted nats. Their mean divides by the number of examples, as the authors' code does.

    Raises:
        ValueError: a wrong shape or dtype, or not one count for each class.

    When to use:
        Training data whose classes are unequally frequent, judged by balanced accuracy; `cross_entropy` with
        loss.weight=effective is the same at beta = 0.9999, but for a mean that divides by the weights.

    Pitfalls:
        What beta means depends on the counts: classes of 5,000 and 50 examples weigh 1 to 79 at beta = 0.9999, 1 to 20
        at 0.999 and 1 to 2.5 at 0.99. A model that fits all training examples hardly feels weights: margins
        (`ldam`) or `logit_adjusted` change its solution.

    Reference:
        Cui et al. 2019, Class-Balanced Loss Based on Effective Number of Samples, arXiv 1901.05555, with the softmax;
        weights and mean as in the authors' code. The equation's number is not checked against the paper.
    """
    log_p = torch.log_softmax(scores(logits, target), -1)
    return expected(torch.neg, log_p, target, effective_weights(class_counts, beta, log_p))


def effective_weights(class_counts: Numbers, beta: Number, z: Tensor) -> Tensor | None:
    """Give the weights of the effective numbers in the dtype of the outputs: (C,); None without counts.

    Args:
        class_counts: C numbers > 0, or None.
        beta: within [0, 1).
        z: (batch, C).

    Raises:
        ValueError: there is not one count for each class.
    """
    if class_counts is None:
        return None
    return effective_number(of_classes("class_counts", class_counts, z).double(), beta).to(z.dtype)


@final
@dataclass(eq=False)
class ClassBalanced(Loss):
    """See `class_balanced`."""

    function: ClassVar[Callable[..., Tensor]] = staticmethod(class_balanced)
    per_class: ClassVar[tuple[str, ...]] = ("class_counts",)

    beta: float = 0.9999
    class_counts: Numbers = None
