"""The batches of K runs, gathered for all of them at once."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor


class Batches:
    """The same batches as each run alone would see, gathered for all of them.

    Args:
        inputs: (n, ...) training examples.
        target: (n,) class indices.
        orders: one `TrainBatches` for each run.
    """

    def __init__(self, inputs: Tensor, target: Tensor, orders: Sequence[Any]) -> None:
        self.inputs, self.target = inputs, target
        first = orders[0]
        self.per_pass, self.batch_size = first.per_pass, first.batch_size
        self.whole = self.batch_size == len(target)
        distinct = {order.seed: order for order in orders}
        self.orders = list(distinct.values())
        where = {seed: k for k, seed in enumerate(distinct)}
        self.which = torch.tensor([where[order.seed] for order in orders])
        self._pass: tuple[int, Tensor] = (-1, torch.zeros(0))

    def at(self, step: int) -> tuple[Tensor, Tensor, bool]:
        """Give inputs and targets of a step, and whether all runs share them (then without their dimension)."""
        if self.whole:
            return self.inputs, self.target, True
        number, place = divmod(step, self.per_pass)
        if self._pass[0] != number:
            order = np.stack([each.order_of(number) for each in self.orders])
            self._pass = (number, torch.from_numpy(order))
        index = self._pass[1][:, place * self.batch_size : (place + 1) * self.batch_size]
        if len(self.orders) == 1:
            return self.inputs[index[0]], self.target[index[0]], True
        index = index[self.which]
        inputs = self.inputs.index_select(0, index.flatten())  # twice as fast as indexing with two dimensions
        return inputs.view(*index.shape, *self.inputs.shape[1:]), self.target[index], False
