"""A linear probe as one model: a frozen backbone, and the layer that was trained on its features."""

from typing import Any

import torch
from torch import Tensor, nn


class Probe(nn.Module):
    """Backbone and head: images to what the head gives.

    Args:
        backbone: has `features`, inputs (batch, 3, height, width) to (batch, D).
        head: maps features (batch, D) to logits (batch, C).
        dtype: float32, float16 or bfloat16: features are rounded to it, as those that the head was trained on.
    """

    def __init__(self, backbone: nn.Module, head: nn.Module, dtype: str = "float32") -> None:
        super().__init__()
        self.backbone, self.head, self.dtype = backbone, head, getattr(torch, dtype)

    def forward(self, inputs: Tensor) -> Any:
        """Map images (batch, 3, height, width) to the head's output."""
        features = self.backbone.features(inputs)  # pyright: ignore[reportCallIssue] - a backbone has them
        return self.head(features.to(self.dtype).to(features.dtype))
