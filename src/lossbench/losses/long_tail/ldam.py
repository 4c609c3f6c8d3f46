"""Margins that are wider for rare classes, and weights that come late."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor

from lossbench.losses.base import Loss
from lossbench.losses.bounds import cosine_scores
from lossbench.losses.long_tail.class_balanced import effective_weights
from lossbench.losses.margin import others
from lossbench.losses.values import Number, Numbers, negative, of_classes, pick, softplus

__all__ = ["LDAM", "ldam"]


def ldam(
    cosines: Tensor,
    target: Tensor,
    *,
    max_margin: Number = 0.5,
    scale: Number = 30.0,
    beta: Number = 0.9999,
    class_counts: Numbers = None,
) -> Tensor:
    """LDAM: the rarer a class, the wider the margin by which its cosine must win; with weights late in training (DRW).

    L = -w_y log softmax(scale (cos - m_y e_y))_y with m_c = max_margin (min n / n_c)^(1/4), n = class_counts, and w as
    in `class_balanced`: in training w = 1 until the share `defer` of the steps is done

    Args:
        cosines: (batch, C) between features and class vectors, within [-1, 1].
        target: (batch,) int64 class indices, or (batch, C) class probabilities.
        max_margin: >= 0, of the rarest class; 0.5 in the authors' code.
        scale: > 0; 30 in the authors' code.
        beta: within [0, 1), of the weights; 0 weighs all classes alike, at all times.
        class_counts: C numbers > 0, how many examples each class has; None takes all classes for equally frequent. In a
            run null is replaced by the counts of the training split.

    Returns:
        (batch,) values >= 0 in weighted nats. The mean over indices divides by sum(w_y), as in the authors' code.

    Raises:
        ValueError: a wrong shape or dtype, logits in place of cosines, or not one count for each class.

    When to use:
        Few examples of some classes and a model that fits them all, judged by balanced accuracy.

    Pitfalls:
        The margins differ little: with counts of 5,000 and 50 they are 0.16 and 0.5. The weights come at a step of the
        learning rate in the paper (epoch 160 of 200); after a rate that has fallen to 0 by then they change nothing,
        and the loss of validation has them from the first epoch on. As with `cosface` at scale 30 the pull on the true
        cosine is 30 at first.

    Reference:
        Cao et al. 2019, Learning Imbalanced Datasets with Label-Distribution-Aware Margin Loss, arXiv 1906.07413, with
        the numbers of the authors' code (max_m, s, betas, 160 of 200 epochs); the equations' numbers are not checked
        against the paper.
    """
    cos = cosine_scores(cosines, target, "ldam")
    margin = _margins(class_counts, max_margin, cos)
    weight = effective_weights(class_counts, beta, cos)
    if target.is_floating_point():
        values = softplus(others(cos * scale) - (cos - margin) * scale)
        return pick(values if weight is None else values * weight, target)
    index = target.unsqueeze(-1)
    own = cos.gather(-1, index) - margin.expand(cos.shape).gather(-1, index)
    value = negative(torch.log_softmax(cos.scatter(-1, index, own) * scale, -1), target)
    return value if weight is None else value * weight[target]


def _margins(class_counts: Numbers, max_margin: Number, cos: Tensor) -> Tensor:
    """The margin of each class: (C,)."""
    counts = cos.new_ones(cos.shape[-1:]) if class_counts is None else of_classes("class_counts", class_counts, cos)
    return (max_margin * (counts.amin() / counts) ** 0.25).to(cos.dtype)


@final
@dataclass(eq=False)
class LDAM(Loss):
    """See `ldam`.

    `defer`: the share of the training's steps after which the weights come; 0.8 in the authors' code, 0 is from the
    first step on.
    """

    function: ClassVar[Callable[..., Tensor]] = staticmethod(ldam)
    takes_cosines: ClassVar[bool] = True
    per_class: ClassVar[tuple[str, ...]] = ("class_counts",)
    schedule: ClassVar[tuple[str, ...]] = ("defer",)

    max_margin: float = 0.5
    scale: float = 30.0
    beta: float = 0.9999
    defer: float = 0.8
    class_counts: Numbers = None

    def numbers_at(self, progress: Tensor) -> dict[str, Tensor]:
        """Give beta: 0, with which all classes weigh alike, until the weights come."""
        return {"beta": (progress >= self.defer).to(progress.dtype) * self.beta}

    def example_weights(self, target: Tensor) -> Tensor | None:
        """Give the weights of the true classes; a mean over class probabilities divides by their number."""
        given = self.arguments()
        counts = given["class_counts"]
        if counts is None or target.is_floating_point():
            return None
        weight = effective_weights(counts, given["beta"], counts[None].float())
        return None if weight is None else weight[target]

    def logits(self, output: Tensor) -> Tensor:
        """Give the scaled cosines, without the margin."""
        return output * self.scale
