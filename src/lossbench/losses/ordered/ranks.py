"""Ranks: for C classes in order, C - 1 binary questions "is the class higher than k?", k = 0..C - 2."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from lossbench.losses.base import Loss
from lossbench.losses.outputs import RankOutput
from lossbench.losses.values import scores, softplus


def ranks(logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Check the logits of ranks and the classes; give the logits in at least float32, and how high each class is.

    Args:
        logits: (batch, C - 1).
        target: (batch,) int64 class indices, 0..C - 1.

    Returns:
        The logits, and (batch, C - 1) numbers target - k: above 0 where the class is higher than k.

    Raises:
        ValueError: a wrong shape or dtype, class probabilities among them.
    """
    if target.is_floating_point():
        raise ValueError(
            f"target must be class indices, int64 ({len(logits)},), got {target.dtype} of shape {tuple(target.shape)}"
        )
    z = scores(logits, target)
    return z, target.unsqueeze(-1) - torch.arange(z.shape[-1], device=z.device)


def of_ranks(z: Tensor, higher: Tensor) -> Tensor:
    """Give the binary cross-entropy of each rank: (batch, C - 1)."""
    return softplus(z) - (higher > 0) * z


@dataclass(eq=False)
class OfRanks(Loss):
    """A loss of the logits of ranks: (batch, C - 1), or what a head made of them."""

    soft_targets: ClassVar[bool] = False
    tasks: ClassVar[tuple[str, ...]] = ("ordinal",)

    def per_example(self, output: Tensor | RankOutput, target: Tensor) -> Tensor:
        """Give one value per example: (batch,)."""
        return self.function(output.ranks if isinstance(output, RankOutput) else output, target, **self.arguments())
