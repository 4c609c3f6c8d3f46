"""The batches of K runs, gathered for all of them at once."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from lossbench.vectorized.engine.examples import Examples


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
        self._pass: tuple[int, Tensor, Tensor] = (-1, torch.zeros(0), torch.zeros(0))
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
        if self.whole and self.examples.rows is None:
            return self._whole()
        number, place = divmod(step, self.per_pass)
        if self._pass[0] != number:
            self._pass = (number, *self._positions(number))
        part = slice(place * self.batch_size, (place + 1) * self.batch_size)
        index, rows = self._pass[1][:, part], self._pass[2][:, part]
        if len(self.orders) == 1:
            return self._chosen(index[0], rows[0], True)
        return self._chosen(index[self.which], rows[self.which], False)

    def _positions(self, number: int) -> tuple[Tensor, Tensor]:
        """The positions of all examples in the order of a pass, and of their inputs, for each distinct run: (D, n)."""
        order = self._of_orders(lambda each: each.order_of(number))
        index, rows = self.examples.index, self.examples.rows
        positions = order if index is None else index[self._replicates].gather(1, order)
        if rows is None:
            return positions, positions
        forms = self._of_orders(lambda each: each.forms_of(number, rows.shape[1])).gather(1, order)
        return positions, rows[positions, forms]

    def _of_orders(self, function: Callable[[Any], np.ndarray]) -> Tensor:
        """Stack what a function gives of the order of each distinct run: (D, n)."""
        return torch.from_numpy(np.stack([function(each) for each in self.orders])).to(self.examples.inputs.device)

    def _chosen(self, index: Tensor, rows: Tensor, shared: bool) -> Batch:
        """The examples at some positions, whose inputs are in some rows: (batch,), or (K, batch)."""
        examples, weight = self.examples, self.examples.weight
        return Batch(examples.take(rows), examples.target[index], None if weight is None else weight[index], shared)

    def _whole(self) -> Batch:
        """All training examples at each step, in the same order in every run; gathered once."""
        if self._all is None:
            examples, index = self.examples, self.examples.index
            if index is None:
                self._all = Batch(examples.inputs.to(examples.dtype), examples.target, examples.weight, True)
            else:
                self._all = self._chosen(index[examples.which], index[examples.which], False)
        return self._all
