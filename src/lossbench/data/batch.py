"""A batch, and the data set of a split that lies in memory."""

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils.data import Dataset

from lossbench.data.source import Split


class Batch(NamedTuple):
    """Inputs (b, ...), targets (b,), (b, ...) or class probabilities (b, C), and positions in the split (b,)."""

    inputs: Tensor
    target: Tensor
    position: Tensor


class ArrayDataset(Dataset[Batch]):
    """A split in memory; a whole batch is one indexing operation."""

    def __init__(self, split: Split) -> None:
        self.inputs, self.targets = torch.from_numpy(split.inputs), torch.from_numpy(split.targets)

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int | slice) -> Batch:
        return Batch(self.inputs[index], self.targets[index], torch.arange(len(self))[index])

    def __getitems__(self, indices: list[int]) -> Batch:
        """Fetch a batch at once (the loader's fast path)."""
        position = torch.tensor(indices)
        return Batch(self.inputs[position], self.targets[position], position)


def as_is(batch: Any) -> Any:
    """Collate nothing: the data set has already made a batch."""
    return batch
