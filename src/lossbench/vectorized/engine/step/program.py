"""A traced training step of a stack, and what it computes."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from torch import Tensor

from lossbench.vectorized.engine.batches import Batch


class Program(NamedTuple):
    """A traced step.

    Args:
        run: parameters, buffers, progress, inputs, target, and weights where there are some -> losses, gradients,
            parts of the output.
        kind: of the output: a tensor, or a tuple of such.
    """

    run: Callable[..., Sequence[Tensor]]
    kind: type

    def output(self, parts: Sequence[Tensor]) -> Any:
        """The output of the models, from its parts."""
        return parts[0] if issubclass(self.kind, Tensor) else self.kind(*parts)


Sums = Callable[[Tensor, Any, Batch], Tensor]
"""What a step adds to the sums of its epoch: (losses, output, batch) -> (K, columns), a function that may be traced."""


class Logged(NamedTuple):
    """What is logged of a step besides its losses.

    Args:
        norm: of the gradient of all parameters, (K,).
        terms: that a loss is the sum of: for each kind of loss its runs, and name -> (runs,).
    """

    norm: Tensor
    terms: Sequence[tuple[tuple[int, int], dict[str, Tensor]]]


class Stepped(NamedTuple):
    """What a training step computes before its update.

    Args:
        losses: (K,).
        output: of the models, (K, batch, C), or a tuple of such; None of a compiled step.
        batch: that they saw.
        logged: gives what may be logged.
    """

    losses: Tensor
    output: Any
    batch: Batch
    logged: Callable[[], Logged]
