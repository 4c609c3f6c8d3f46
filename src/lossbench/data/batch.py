"""A batch, and the data set of a split that lies in memory."""

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils.data import Dataset

from lossbench.data.source import Split


class Batch(NamedTuple):
    """Examples that are worked on at once.

    Args:
        inputs: (b, ...).
        target: (b,), (b, ...) or class probabilities (b, C).
        position: in the split, (b,).
        weight: of each example in the training loss, float32 (b,); None where all count alike.
    """

    inputs: Tensor
    target: Tensor
    position: Tensor
    weight: Tensor | None = None

    def on(self, device: torch.device) -> "Batch":
        """Move it to a device."""
        weight = None if self.weight is None else self.weight.to(device)
        return Batch(self.inputs.to(device), self.target.to(device), self.position.to(device), weight)

    def tensors(self) -> tuple[Tensor, ...]:
        """Give its columns: inputs, targets, positions, and weights where there are some."""
        return tuple(column for column in self if column is not None)


class Labels:
    """What a batch has beside its inputs: the targets and weights of a split."""

    def __init__(self, split: Split) -> None:
        self.targets = torch.from_numpy(split.targets)
        self.weights = None if split.weights is None else torch.from_numpy(split.weights)

    def __len__(self) -> int:
        return len(self.targets)

    def batch(self, inputs: Tensor, position: Tensor) -> Batch:
        """Give the examples at some positions, (b,), whose inputs are given, (b, ...)."""
        weight = None if self.weights is None else self.weights[position]
        return Batch(inputs, self.targets[position], position, weight)


class ArrayDataset(Dataset[Batch]):
    """A split in memory; a whole batch is one indexing operation."""

    def __init__(self, split: Split) -> None:
        self.inputs, self.labels = torch.from_numpy(split.inputs), Labels(split)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int | slice) -> Batch:
        return self.labels.batch(self.inputs[index], torch.arange(len(self))[index])

    def __getitems__(self, indices: list[int]) -> Batch:
        """Fetch a batch at once (the loader's fast path)."""
        position = torch.tensor(indices)
        return self.labels.batch(self.inputs[position], position)


def as_is(batch: Any) -> Any:
    """Collate nothing: the data set has already made a batch."""
    return batch
