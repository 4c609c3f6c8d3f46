"""The batches of K runs, gathered for all of them at once."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from lossbench.vectorized.engine.examples import Examples, gather


class Batch(NamedTuple):
    """What K runs see in a step; all of it without their dimension where they share it.

    Args:
        inputs: (batch, ...), or (K, batch, ...).
        target: (batch,), or (K, batch).
        weight: of the examples, like target; None where all count alike.
        shared: whether all runs see the same.
    """

    inputs: Tensor
    target: Tensor
    weight: Tensor | None
    shared: bool


class Batches:
    """The same batches as each run alone would see, gathered for all of them.

    Args:
        examples: of the training split; all replicates have equally many.
        orders: one `TrainBatches` for each run.

    Raises:
        ValueError: a replicate has more training examples than another one.
    """

    def __init__(self, examples: Examples, orders: Sequence[Any]) -> None:
        if len(set(examples.sizes)) > 1:
            raise ValueError(f"stacked runs need equally many training examples, got {sorted(set(examples.sizes))}")
        self.examples = examples
        first = orders[0]
        self.per_pass, self.batch_size = first.per_pass, first.batch_size
        self.whole = self.batch_size == len(examples)
        self._distinct(orders)
        self._pass: tuple[int, Tensor] = (-1, torch.zeros(0))
        self._all: Batch | None = None

    def _distinct(self, orders: Sequence[Any]) -> None:
        """Find the runs that see the same batches: those of one seed and replicate."""
        keys = [(order.seed, replicate) for order, replicate in zip(orders, self.examples.which.tolist(), strict=True)]
        distinct = dict(zip(keys, orders, strict=True))
        self.orders = list(distinct.values())
        place, device = {key: k for k, key in enumerate(distinct)}, self.examples.inputs.device
        self.which = torch.tensor([place[key] for key in keys], device=device)
        self._replicates = torch.tensor([replicate for _, replicate in distinct], device=device)

    def at(self, step: int) -> Batch:
        """Give what the runs see in a step."""
        if self.whole:
            return self._whole()
        number, place = divmod(step, self.per_pass)
        if self._pass[0] != number:
            self._pass = (number, self._positions(number))
        index = self._pass[1][:, place * self.batch_size : (place + 1) * self.batch_size]
        return self._gathered(index)

    def _positions(self, number: int) -> Tensor:
        """The positions of all examples in the order of one pass, for each distinct run: (D, n)."""
        order = torch.from_numpy(np.stack([each.order_of(number) for each in self.orders]))
        order, index = order.to(self.examples.inputs.device), self.examples.index
        return order if index is None else index[self._replicates].gather(1, order)

    def _gathered(self, index: Tensor) -> Batch:
        if len(self.orders) > 1:
            return self._chosen(index[self.which])
        inputs, target, weight, _ = self._everything()
        return Batch(inputs[index[0]], target[index[0]], None if weight is None else weight[index[0]], True)

    def _chosen(self, index: Tensor) -> Batch:
        """Each run's own examples: (K, batch) positions."""
        inputs, target, weight, _ = self._everything()
        return Batch(gather(inputs, index), target[index], None if weight is None else weight[index], False)

    def _everything(self) -> Batch:
        return Batch(self.examples.inputs, self.examples.target, self.examples.weight, True)

    def _whole(self) -> Batch:
        """All training examples at each step, in the same order in every run; gathered once."""
        if self._all is None:
            index = self.examples.index
            self._all = self._everything() if index is None else self._chosen(index[self.examples.which])
        return self._all
