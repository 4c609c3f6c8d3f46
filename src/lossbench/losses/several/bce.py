"""Binary cross-entropy: one sigmoid for each class."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor
from torch.nn import functional as F

from lossbench.losses.base import ClassWeighted
from lossbench.losses.values import Number, Numbers, of_classes, pick, scores, softplus
from lossbench.losses.written import sigmoids, written

__all__ = ["BCE", "bce"]


def bce(
    logits: Tensor,
    target: Tensor,
    *,
    weight: Numbers = None,
    smoothing: Number | None = None,
    target_threshold: Number | None = None,
) -> Tensor:
    """Binary cross-entropy with a sigmoid for each class: none, one or many classes may be true.

    L = -1/C sum_c w_c (t_c log s_c + (1 - t_c) log(1 - s_c)) with s = sigmoid(logits), t the one-hot or multi-hot
    target; smoothing a makes (1 - a) t + a / C of it, a target_threshold b then [t > b]

    Args:
        logits: (batch, C), any real values; 0 is a probability of one half.
        target: (batch,) int64 class indices, or (batch, C) floats within [0, 1]: multi-hot, or the probability of each
            class.
        weight: C numbers >= 0, one for each class; None weighs all by 1.
        smoothing: within [0, 1); None is 0. 0.1 in timm, which leaves class probabilities as they are.
        target_threshold: within [0, 1): the target of a class is 1 above it, else 0; None leaves targets as they are.
            0.2 in the paper, for mixup.

    Returns:
        (batch,) values >= 0 in nats, a mean over classes. As in torch, weights do not change what the mean divides by.

    Raises:
        ValueError: a wrong shape or dtype, or not one weight for each class.

    When to use:
        Classes that may hold together, or long training with mixup as in the paper.

    Pitfalls:
        Nearly all of it is the wrong classes': with 1,000 classes the true one is a thousandth of the mean, so start
        the head's bias low or take a larger learning rate. Its outputs are C separate probabilities; accuracy takes the
        largest. With a target_threshold a soft target no longer means the expected loss under it.

    Reference:
        torch.nn.BCEWithLogitsLoss; timm.loss.BinaryCrossEntropy, with whose smoothing and threshold it agrees on class
        indices; for single-label images Wightman et al. 2021, ResNet strikes back, arXiv 2110.00476,
        section 3.2 (the threshold 0.2 is not checked against the paper).
    """
    z = scores(logits, target)
    if smoothing is not None or target_threshold is not None:
        target = _changed_target(z, target, smoothing, target_threshold)
    if weight is None and not target.is_floating_point():
        return written(z, target, sigmoids(_sigmoids))[0] / z.shape[-1]
    # -t log s - (1 - t) log(1 - s) = softplus(z) - t z, without the one-hot matrix that torch's loss needs
    false = softplus(z)
    if weight is not None:
        weights = of_classes("weight", weight, z)
        false, z = false * weights, z * weights
    return (false.sum(-1) - pick(z, target)) / z.shape[-1]


def _changed_target(z: Tensor, target: Tensor, smoothing: Number | None, target_threshold: Number | None) -> Tensor:
    """The target of every class, smoothed and then set to 0 or 1: (batch, C)."""
    soft = target.is_floating_point()
    t = target.to(z.dtype) if soft else torch.zeros_like(z).scatter(-1, target.unsqueeze(-1), 1.0)
    if smoothing is not None:
        t = (1 - smoothing) * t + smoothing / z.shape[-1]
    return t.to(z.dtype) if target_threshold is None else (t > target_threshold).to(z.dtype)


def _sigmoids(z: Tensor, target: Tensor) -> Tensor:
    index = target.unsqueeze(-1)
    return softplus(z.scatter(-1, index, -z.gather(-1, index))).sum(-1)


@final
@dataclass(eq=False)
class BCE(ClassWeighted):
    """See `bce`."""

    function: ClassVar[Callable[..., Tensor]] = staticmethod(bce)
    tasks: ClassVar[tuple[str, ...]] = ("classification", "multi_label")

    smoothing: float | None = None
    target_threshold: float | None = None

    def logits(self, output: Tensor) -> Tensor:
        """Give log sigmoid: a softmax of it divides each class's probability by their sum."""
        return F.logsigmoid(output)
