"""Heads of losses of classes in order: from a model's numbers to the logits of ranks."""

import torch
from torch import Tensor, nn

from lossbench.losses.outputs import RankOutput


class CoralHead(nn.Module):
    """Thresholds of CORAL: the model's one number g, and g + b_k for each rank.

    The biases start from falling values within (0, 1], as in the authors' coral-pytorch.

    Args:
        num_features: 1, how many numbers the model gives.
        num_classes: C.

    Raises:
        ValueError: num_features is not 1.

    Reference:
        Cao, Mirjalili & Raschka 2020, arXiv 1901.07884, section 3.
    """

    def __init__(self, num_features: int, num_classes: int) -> None:
        super().__init__()
        if num_features != 1:
            raise ValueError(f"num_features must be 1: one number decides all ranks, got {num_features}")
        count = num_classes - 1
        self.bias = nn.Parameter(torch.arange(count, 0, -1, dtype=torch.float32) / count)

    def forward(self, x: Tensor) -> RankOutput:
        """Map numbers (batch, 1) to the logits of ranks (batch, C - 1) and log-probabilities (batch, C)."""
        return RankOutput.cumulative(x.to(torch.promote_types(x.dtype, torch.float32)) + self.bias)


class CornHead(nn.Module):
    """Ranks of CORN: the model's first C - 1 numbers.

    A model gives one number for each class; the highest class has no rank above it, so that its number is not used, and
    the others start from the same weights as with every other loss.

    Args:
        num_classes: C.

    Reference:
        Shi, Cao & Raschka 2021, arXiv 2111.08851, section 3.
    """

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.count = num_classes - 1

    def forward(self, x: Tensor) -> RankOutput:
        """Map numbers (batch, C) to the logits of ranks (batch, C - 1) and log-probabilities (batch, C)."""
        return RankOutput.conditional(x[..., : self.count].to(torch.promote_types(x.dtype, torch.float32)))
