"""A linear probe as one model: a frozen backbone, and the layer that was trained on its features."""

from typing import Any

from torch import Tensor, nn


class Probe(nn.Module):
    """Backbone and head: images to what the head gives.

    Args:
        backbone: has `features`, inputs (batch, 3, height, width) to (batch, D).
        head: maps features (batch, D) to logits (batch, C).
    """

    def __init__(self, backbone: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.backbone, self.head = backbone, head

    def forward(self, inputs: Tensor) -> Any:
        """Map images (batch, 3, height, width) to the head's output."""
        return self.head(self.backbone.features(inputs))  # pyright: ignore[reportCallIssue] - a backbone has them
