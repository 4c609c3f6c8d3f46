"""A traced training step of a stack, and what it computes."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from torch import Tensor


class Program(NamedTuple):
    """A traced step.

    Args:
        run: parameters, buffers, inputs, target -> losses, gradients, parts of the output.
        kind: of the output: a tensor, or a tuple of such.
    """

    run: Callable[..., Sequence[Tensor]]
    kind: type

    def output(self, parts: Sequence[Tensor]) -> Any:
        """The output of the models, from its parts."""
        return parts[0] if issubclass(self.kind, Tensor) else self.kind(*parts)


class Stepped(NamedTuple):
    """What a training step computes before its update.

    Args:
        losses: (K,).
        output: of the models, (K, batch, C), or a tuple of such.
        target: (batch,) where all runs share it, else (K, batch).
        shared: whether they do.
        gradients: (K, ...) of each parameter.
    """

    losses: Tensor
    output: Any
    target: Tensor
    shared: bool
    gradients: Sequence[Tensor]
