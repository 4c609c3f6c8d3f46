"""The order of examples: a function of seed and batch number, the same for every loss, worker count and launcher."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from lossbench.data.balanced_order import BalancedOrder, Slots
from lossbench.data.forms import first_forms
from lossbench.seeds import generator


class Draw(list[int]):
    """Positions of a batch, with which use of its example each is: what augmentation depends on.

    Args:
        positions: of the examples.
        uses: the pass over the data; where classes are drawn equally often a number that each use has for itself. One
            number stands for all.
    """

    def __init__(self, positions: Iterable[int], uses: Iterable[int] | int) -> None:
        super().__init__(positions)
        self.uses = [uses] * len(self) if isinstance(uses, int) else list(uses)

    def __reduce__(self) -> tuple[type["Draw"], tuple[list[int], list[int]]]:
        """Travel to a worker process."""
        return Draw, (list(self), self.uses)


def uses_of(positions: Sequence[int]) -> list[int]:
    """Give which use of its example each of a batch is; 0 outside of training."""
    return positions.uses if isinstance(positions, Draw) else [0] * len(positions)


class TrainBatches:
    """Batches of positions for one process; batch k depends on (seed, k) alone, so that a run resumes anywhere.

    Every pass over the data is a new permutation; its incomplete last batch is left out (every example returns in
    later passes). With classes a pass has equally many examples of each of them (`BalancedOrder`).

    Args:
        n: number of training examples.
        batch_size: examples in an update of the weights, over all processes.
        seed: the run's seed.
        steps_per_epoch: updates in an epoch; None is one pass over the data.
        rank: this process, 0 <= rank < world.
        world: number of processes; divides the batch size.
        accumulate: parts in which a process works on its share of a batch, one after another; divides its share.
        done: parts already trained on, over the whole run.
        classes: class indices of the examples, (n,), where each class is drawn equally often; None draws each example
            once in a pass.

    Raises:
        ValueError: there are fewer examples than processes.
    """

    def __init__(
        self,
        n: int,
        batch_size: int,
        seed: int,
        *,
        steps_per_epoch: int | None = None,
        rank: int = 0,
        world: int = 1,
        accumulate: int = 1,
        done: int = 0,
        classes: np.ndarray | None = None,
    ) -> None:
        self.n, self.seed, self.rank, self.world, self.accumulate, self.done = n, seed, rank, world, accumulate, done
        shares = world * accumulate
        if n < shares:
            raise ValueError(f"{n} training examples are too few for {world} processes with {accumulate} parts each")
        self.batch_size = min(batch_size, n - n % shares)  # equal shares: they are averaged with equal weights
        self.per_pass = n // self.batch_size
        self.steps_per_epoch = steps_per_epoch or self.per_pass
        self._balanced = None if classes is None else BalancedOrder(classes, seed)
        everyone = np.arange(n)
        self._slots: tuple[int, Slots] = (-1, Slots(everyone, np.zeros_like(everyone)))

    def __len__(self) -> int:
        return self.steps_per_epoch * self.accumulate

    def __iter__(self) -> Iterator[Draw]:
        start = self.done
        for k in range(start, (start // len(self) + 1) * len(self)):
            yield self.batch(k)

    def batch(self, k: int) -> Draw:
        """Positions of the k-th batch that this process works on, a part of an update's batch."""
        step, part = divmod(k, self.accumulate)
        number, at = divmod(step, self.per_pass)
        first = at * self.batch_size + self.rank + self.world * part
        places = slice(first, (at + 1) * self.batch_size, self.world * self.accumulate)
        slots = self._of_pass(number)
        return Draw(slots.positions[places].tolist(), slots.uses[places].tolist())

    @property
    def whole(self) -> bool:
        """Whether every batch holds all examples, in the same order."""
        return self.batch_size == self.n and self._balanced is None

    def forms_of(self, number: int, forms: int) -> np.ndarray:
        """Which of so many forms of its example each place of one pass sees: (n,)."""
        slots = self._of_pass(number)
        return (first_forms(self.seed, self.n, forms)[slots.positions] + slots.uses) % forms

    def order_of(self, number: int) -> np.ndarray:
        """Positions of the examples in the order of one pass: (n,)."""
        return self._of_pass(number).positions

    def _of_pass(self, number: int) -> Slots:
        if self._slots[0] != number:
            self._slots = (number, self._drawn(number))
        return self._slots[1]

    def _drawn(self, number: int) -> Slots:
        if self._balanced is not None:
            return self._balanced.slots(number)
        # A full batch has no order: shuffling it would change nothing but the rounding.
        everyone = np.arange(self.n)
        order = everyone if self.whole else generator(self.seed, "order", number).permutation(self.n)
        return Slots(order, np.full(self.n, number))


def evaluation_batches(n: int, batch_size: int, rank: int = 0, world: int = 1) -> list[list[int]]:
    """Batches of positions for one process; every process gets equally many, the last ones padded with repeats.

    Equal counts keep collective operations in step; repeats are dropped again by position.
    """
    mine = (np.arange(-(-n // world) * world) % n)[rank::world]
    size = max(1, batch_size // world)
    return [mine[i : i + size].tolist() for i in range(0, len(mine), size)]
