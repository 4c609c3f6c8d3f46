"""A multi-layer perceptron on the flattened input."""

from collections.abc import Sequence
from math import prod

from torch import Tensor, nn


class MLP(nn.Module):
    """Linear layers with ReLU between them.

    Args:
        input_shape: one example's shape; it is flattened.
        num_classes: C.
        hidden: widths of the hidden layers.
        dropout: fraction of hidden activations dropped while training, in [0, 1).
    """

    def __init__(
        self, input_shape: Sequence[int], num_classes: int, hidden: Sequence[int] = (128,), dropout: float = 0.0
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        width = prod(input_shape)
        for size in hidden:
            layers += [nn.Linear(width, size), nn.ReLU(), nn.Dropout(dropout)]
            width = size
        self.layers = nn.Sequential(*layers, nn.Linear(width, num_classes))

    def forward(self, inputs: Tensor) -> Tensor:
        """Map inputs (batch, ...) to logits (batch, C)."""
        return self.layers(inputs.flatten(1))

    def features(self, inputs: Tensor) -> Tensor:
        """Map inputs (batch, ...) to the last hidden activations (batch, D).

        Raises:
            ValueError: there is no hidden layer.
        """
        if len(self.layers) == 1:
            raise ValueError("hidden=[] has no hidden layer, and so no features")
        return self.layers[:-1](inputs.flatten(1))
