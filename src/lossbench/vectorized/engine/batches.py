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
        true: the target before labels were made wrong; None where none were.
        masks: of dropout, in the order of its calls, (K, batch, ...) each.
    """

    inputs: Tensor
    target: Tensor
    weight: Tensor | None
    shared: bool
    true: Tensor | None = None
    masks: tuple[Tensor, ...] = ()


class Pass(NamedTuple):
    """All examples in the order of one pass, for each distinct run.

    Args:
        rows: of their inputs, (D, n).
        target: (D, n).
        weight: (D, n); None where all count alike.
        true: (D, n), the target before labels were made wrong; None where none were.
    """

    rows: Tensor
    target: Tensor
    weight: Tensor | None
    true: Tensor | None

    def part(self, chosen: Tensor | int | slice, places: slice) -> "Pass":
        """Give some places of some distinct runs: (K, batch), or (batch,) of one."""
        rows, target = self.rows[:, places][chosen], self.target[:, places][chosen]
        weight, true = (None if each is None else each[:, places][chosen] for each in (self.weight, self.true))
        return Pass(rows, target, weight, true)


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
        self.whole = first.whole
        self._distinct(orders)
        self._pass: tuple[int, Pass] = (-1, Pass(torch.zeros(0), torch.zeros(0), None, None))
        self._all: Batch | None = None

    def _distinct(self, orders: Sequence[Any]) -> None:
        """Find the runs that see the same batches, D distinct ones: those of one seed and replicate."""
        keys = [(order.seed, replicate) for order, replicate in zip(orders, self.examples.which.tolist(), strict=True)]
        distinct = dict(zip(keys, orders, strict=True))
        self.orders = list(distinct.values())
        place, device = {key: k for k, key in enumerate(distinct)}, self.examples.inputs.device
        self.which = torch.tensor([place[key] for key in keys], device=device)
        self.replicates = torch.tensor([replicate for _, replicate in distinct], device=device)

    def at(self, step: int) -> Batch:
        """Give what the runs see in a step."""
        if self.whole and self.examples.rows is None:
            return self._whole()
        shared = len(self.orders) == 1
        rows, target, weight, true = self.part(step, 0 if shared else self.which)
        return Batch(self.examples.take(rows), target, weight, shared, true)

    def part(self, step: int, runs: Tensor | int | slice) -> Pass:
        """Give what some distinct runs see in a step: (K, batch), or (batch,) of one."""
        number, place = divmod(step, self.per_pass)
        if self._pass[0] != number:
            self._pass = (number, self._in_order(number))
        return self._pass[1].part(runs, slice(place * self.batch_size, (place + 1) * self.batch_size))

    def of_one(self, step: int) -> Tensor:
        """Give the inputs that the first run sees in a step: (batch, ...)."""
        batch = self.at(step)
        return batch.inputs if batch.shared else batch.inputs[0]

    def _in_order(self, number: int) -> Pass:
        """All examples in the order of a pass."""
        examples, order = self.examples, self._of_orders(lambda each: each.order_of(number))
        place = (self.replicates[:, None], order)
        rows = self._rows(number, order if examples.index is None else examples.index[place])
        return Pass(rows, *self._labels(place))

    def _labels(self, place: Any) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Targets, weights, and the targets before labels were made wrong, at an index of (R, n)."""
        examples = self.examples
        given = (examples.by_replicate_weight, examples.by_replicate_true)
        weight, true = (None if each is None else each[place] for each in given)
        return examples.by_replicate_target[place], weight, true

    def _rows(self, number: int, positions: Tensor) -> Tensor:
        """Where the inputs of examples at some positions are: each pass sees another form of them."""
        if (rows := self.examples.rows) is None:
            return positions
        forms = self._of_orders(lambda each: each.forms_of(number, rows.shape[1]))
        return rows[positions, forms]

    def _of_orders(self, function: Callable[[Any], np.ndarray]) -> Tensor:
        """Stack what a function gives of the order of each distinct run: (D, n)."""
        return torch.from_numpy(np.stack([function(each) for each in self.orders])).to(self.examples.inputs.device)

    def _whole(self) -> Batch:
        """All training examples at each step, in the same order in every run; gathered once."""
        if self._all is None:
            shared = self.examples.index is None
            target, weight, true = self._labels(0 if shared else self.examples.which)
            self._all = Batch(self._all_inputs(), target, weight, shared, true)
        return self._all

    def _all_inputs(self) -> Tensor:
        examples = self.examples
        if examples.index is None:
            return examples.seen(examples.inputs)
        return examples.take(examples.index[examples.which])
