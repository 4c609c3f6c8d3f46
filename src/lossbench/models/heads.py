"""Heads that a loss needs. Learnable weights live here, never in a loss."""

import torch.nn.functional as F
from torch import Tensor, nn

from lossbench.outputs import HeadOutput


class CosineXentHead(nn.Module):
    """Predicting head of the cosine + cross-entropy loss: L2-normalise, ReLU, BatchNorm, Linear.

    Args:
        num_classes: C; the embedding that comes in has this size too.

    Reference:
        Barz & Denzler 2020, arXiv 1901.09054, section 3.
    """

    def __init__(self, num_classes: int) -> None:
        """Build the layers."""
        super().__init__()
        self.norm = nn.BatchNorm1d(num_classes)
        self.linear = nn.Linear(num_classes, num_classes)

    def forward(self, x: Tensor) -> HeadOutput:
        """Give the embedding (batch, C) on with the logits (batch, C) made of it."""
        return HeadOutput(embedding=x, logits=self.linear(self.norm(F.relu(F.normalize(x, dim=-1, eps=1e-6)))))
