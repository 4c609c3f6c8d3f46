"""Predicted numbers, vectors, distributions and rates as their metrics see them."""

import math
from functools import cached_property

import torch
from torch import Tensor


class Vectors:
    """Outputs and targets of one shape, as float64 with the values of an example side by side.

    Args:
        output: (K, n, ...), n >= 1.
        target: (n, ...).

    Raises:
        ValueError: shapes that differ.
    """

    def __init__(self, output: Tensor, target: Tensor) -> None:
        shape = tuple(output.shape[1:])
        if shape != tuple(target.shape) or len(shape) < 1 or math.prod(shape) == 0:
            ours = f"got {shape} and {tuple(target.shape)}"
            raise ValueError(f"output and target must have one shape (n, ...) with n >= 1, {ours}")
        self.output = output.detach().double().reshape(*output.shape[:2], -1)  # (K, n, D)
        self.target = target.detach().to(output.device).double().reshape(shape[0], -1)  # (n, D)

    @property
    def predicted(self) -> Tensor:
        """What is predicted in the unit of the target: (K, n, D)."""
        return self.output

    @cached_property
    def angles(self) -> Tensor:
        """Angles between output and target, degrees: (K, n)."""
        return angles(self.output, self.target)


class Distributions(Vectors):
    """Logits or log-probabilities, (K, n, C), and target probabilities, (n, C)."""

    @cached_property
    def log_p(self) -> Tensor:
        """log softmax(output): (K, n, C)."""
        return self.output.log_softmax(-1)

    @property
    def predicted(self) -> Tensor:
        """The predicted probabilities: (K, n, C)."""
        return self.log_p.exp()


class Rates(Vectors):
    """Log rates, (K, n, ...), and counts >= 0, (n, ...)."""

    @property
    def predicted(self) -> Tensor:
        """The predicted rates: (K, n, D)."""
        return self.output.exp()


def angles(a: Tensor, b: Tensor) -> Tensor:
    """Angles between vectors, degrees: (..., D), (..., D) -> (...). Exact near 0 and 180, where an arccosine is not."""
    u, v = (torch.nn.functional.normalize(vectors.double(), dim=-1) for vectors in (a, b))
    return torch.rad2deg(2 * torch.atan2((u - v).norm(dim=-1), (u + v).norm(dim=-1)))
