"""What a model gives for a split, batch by batch and process by process, put together as one evaluation."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from lossbench.training.evaluation import Evaluation, Output


class SplitOutputs:
    """Collect a model's outputs for the batches of a split."""

    def __init__(self) -> None:
        self._batches: list[tuple[Tensor, ...]] = []
        self._kind: Any = Tensor

    def add(self, position: Tensor, target: Tensor, output: Output) -> None:
        """Keep a batch.

        Args:
            position: (batch,), of the examples in the split.
            target: (batch, ...).
            output: (batch, ...), or a tuple of such.
        """
        parts = output if isinstance(output, tuple) else (output,)
        self._batches.append(tuple(part.detach().float() for part in (position, target, *parts)))
        self._kind = type(output)

    def take(self, stage: str, n: int, gather: Callable[[Tensor], Any] | None, *, class_targets: bool) -> Evaluation:
        """Give the outputs of all processes, each example once, in the split's order, on the CPU; forget them here.

        Args:
            stage: val or test.
            n: examples of the split.
            gather: a tensor of every process -> (processes, ...); None where there is one.
            class_targets: whether targets are indices of classes.
        """
        columns = [torch.cat(column) for column in zip(*self._batches, strict=True)]
        self._batches = []
        if gather is not None:
            columns = [torch.as_tensor(gather(column)).flatten(0, 1) for column in columns]
        position, *columns = (column.cpu() for column in columns)
        order = exactly_once(position.long(), n, stage)
        target, *parts = (column[order] for column in columns)
        output = parts[0] if issubclass(self._kind, Tensor) else self._kind(*parts)
        return Evaluation(output, target.long() if class_targets else target)


def exactly_once(position: Tensor, n: int, stage: str) -> Tensor:
    """Index that puts every example of the split in its place once: processes are padded with repeats.

    Raises:
        RuntimeError: an example was not evaluated.
    """
    order = torch.full((n,), -1)
    order[position] = torch.arange(len(position))
    if (order < 0).any():
        raise RuntimeError(f"{int((order < 0).sum())} of {n} {stage} examples were not evaluated")
    return order
