"""A batch, and the data set of a split that lies in memory."""

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from lossbench.data.forms import first_forms
from lossbench.data.order import uses_of
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


class BatchLabels:
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
        self.inputs, self.labels = tensor_of(split.inputs), BatchLabels(split)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int | slice) -> Batch:
        return self.at(torch.arange(len(self))[index], torch.zeros(()).long())

    def __getitems__(self, indices: list[int]) -> Batch:
        """Fetch a batch at once (the loader's fast path)."""
        return self.at(torch.tensor(indices), torch.tensor(uses_of(indices)))

    def at(self, position: Tensor, uses: Tensor) -> Batch:
        """Give the examples at some positions, (b,), and which use of them it is, (b,) or ()."""
        return self.labels.batch(single(self.inputs[position]), position)


class FormsDataset(ArrayDataset):
    """A split in memory, of which each pass sees another form of each example (see `first_forms`).

    Args:
        split: has forms.
        seed: the run's.
    """

    def __init__(self, split: Split, seed: int) -> None:
        super().__init__(split)
        assert split.forms is not None
        self.inputs, self.rows = tensor_of(split.forms.table), torch.from_numpy(split.forms.rows)
        self.first = torch.from_numpy(first_forms(seed, *split.forms.rows.shape))

    def at(self, position: Tensor, uses: Tensor) -> Batch:
        """Give the examples at some positions, (b,), and which use of them it is, (b,) or ()."""
        form = (self.first[position] + uses) % self.rows.shape[1]
        return self.labels.batch(single(self.inputs[self.rows[position, form]]), position)


def tensor_of(inputs: np.ndarray) -> Tensor:
    """Give the inputs of a split as a tensor that shares their memory."""
    tensor = torch.from_numpy(inputs)
    return tensor.view(torch.bfloat16) if tensor.dtype == torch.uint16 else tensor


def single(inputs: Tensor) -> Tensor:
    """Give inputs that are kept in half precision as float32, in which models compute; others as they are."""
    return inputs.float() if inputs.dtype in (torch.float16, torch.bfloat16) else inputs


def as_is(batch: Any) -> Any:
    """Collate nothing: the data set has already made a batch."""
    return batch
