"""A linear layer on the flattened input."""

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor, nn


class Linear(nn.Module):
    """Softmax regression: logits = W x + b.

    Args:
        input_shape: one example's shape; it is flattened to D numbers.
        num_classes: C.
        bias: whether to learn b.
        weight: initial W, (C, D); None draws torch's default.

    Raises:
        ValueError: weight is no matrix of numbers or has another shape.
    """

    def __init__(self, input_shape: Sequence[int], num_classes: int, bias: bool = True, weight: object = None) -> None:
        super().__init__()
        self.linear = nn.Linear(prod(input_shape), num_classes, bias=bias)
        if weight is not None:
            try:
                given = torch.as_tensor(weight, dtype=self.linear.weight.dtype)
            except (TypeError, ValueError) as error:
                raise ValueError(f"weight must be a list of C lists of D numbers, got {weight!r}") from error
            if given.shape != self.linear.weight.shape:
                raise ValueError(f"weight must have shape {tuple(self.linear.weight.shape)}, got {tuple(given.shape)}")
            self.linear.weight.data.copy_(given)

    def forward(self, inputs: Tensor) -> Tensor:
        """Map inputs (batch, ...) to logits (batch, C)."""
        return self.linear(inputs.flatten(1))
