"""The losses everybody compares with."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, final

import torch
from torch import Tensor

from lossbench.losses.base import Loss, Number, negative, scores

__all__ = ["CrossEntropy", "cross_entropy"]


def cross_entropy(
    logits: Tensor, target: Tensor, *, weight: Sequence[float] | Tensor | None = None, label_smoothing: Number = 0.0
) -> Tensor:
    """Cross-entropy: how surprised the model is by the true class.

    L = -(1 - s) w_y log p_y - s / C sum_c w_c log p_c with p = softmax(logits), s = label_smoothing.

    Args:
        logits: (batch, C), any real values.
        target: (batch,) int64 class indices, or (batch, C) class probabilities.
        weight: C numbers >= 0, one for each class; None weighs all by 1.
        label_smoothing: within [0, 1); 0.1 in the paper.

    Returns:
        (batch,) values >= 0 in nats. The mean of a weighted loss over indices divides by sum(w_y), as torch does.

    Raises:
        ValueError: a wrong shape or dtype, or not one weight for each class.

    When to use:
        The first choice, and what others are compared with: its pull on the true class's logit is 1 - p_y, at most 1, and full on every
        example that is wrong.

    Pitfalls:
        A wrong label pulls as hard as a right one. With label_smoothing s the loss is least at p_y = 1 - s + s / C, 0.91 for s = 0.1
        and 10 classes, and rises from there.

    Reference:
        Szegedy et al. 2016, Rethinking the Inception Architecture, section 7 (label smoothing).
    """
    log_p = torch.log_softmax(scores(logits, target), -1)
    if weight is not None:
        log_p = log_p * _class_weights(weight, log_p)
    value = negative(log_p, target)
    if not isinstance(label_smoothing, Tensor) and label_smoothing == 0:
        return value
    return (1 - label_smoothing) * value - label_smoothing * log_p.mean(-1)


def _class_weights(weight: Sequence[float] | Tensor, log_p: Tensor) -> Tensor:
    weights = torch.as_tensor(weight, dtype=log_p.dtype, device=log_p.device)
    if weights.shape != log_p.shape[-1:]:
        raise ValueError(f"weight must have one number for each of the {log_p.shape[-1]} classes, got {tuple(weights.shape)}")
    return weights


@final
@dataclass(eq=False)
class CrossEntropy(Loss):
    """See `cross_entropy`."""

    function: ClassVar[Callable[..., Tensor]] = staticmethod(cross_entropy)

    weight: Sequence[float] | None = None
    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        """Check the hyper-parameters; keep the weights as a buffer, so that they are copied to a device once."""
        super().__post_init__()
        if self.weight is not None:
            self.weight = list(self.weight)
            self.register_buffer("class_weights", torch.tensor(self.weight, dtype=torch.float64).float(), persistent=False)

    def per_example(self, output: Any, target: Tensor) -> Tensor:
        """Give one value per example: (batch,)."""
        weight = None if self.weight is None else self.get_buffer("class_weights")
        return cross_entropy(output, target, weight=weight, label_smoothing=self.label_smoothing)

    def reduce(self, values: Tensor, target: Tensor) -> Tensor:
        """Reduce as torch does: the mean of a weighted loss over class indices divides by the sum of their weights."""
        if self.reduction != "mean" or self.weight is None or target.is_floating_point():
            return super().reduce(values, target)
        return values.sum() / self.get_buffer("class_weights")[target].sum().to(values.dtype)
