"""One model applied to every member of a pair or triplet."""

from torch import Tensor, nn


class EachMember(nn.Module):
    """Apply a model to each member of a pair or triplet by itself.

    Args:
        model: maps (batch, ...) to (batch, D).
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, inputs: Tensor) -> Tensor:
        """Map inputs (batch, members, ...) to outputs (batch, members, D)."""
        return self.model(inputs.flatten(0, 1)).unflatten(0, inputs.shape[:2])
