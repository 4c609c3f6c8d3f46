"""The order of examples: a function of seed and batch number, the same for every loss, worker count and launcher."""

from collections.abc import Iterable, Iterator

import numpy as np

from lossbench.data.forms import first_forms
from lossbench.seeds import generator


class Draw(list[int]):
    """Positions of a batch, with the pass over the data they belong to: what augmentation depends on."""

    def __init__(self, positions: Iterable[int], epoch: int) -> None:
        super().__init__(positions)
        self.epoch = epoch

    def __reduce__(self) -> tuple[type["Draw"], tuple[list[int], int]]:
        """Travel to a worker process."""
        return Draw, (list(self), self.epoch)


class TrainBatches:
    """Batches of positions for one process; batch k depends on (seed, k) alone, so that a run resumes anywhere.

    Every pass over the data is a new permutation; its incomplete last batch is left out (every example returns in
    later passes).

    Args:
        n: number of training examples.
        batch_size: examples in an update of the weights, over all processes.
        seed: the run's seed.
        steps_per_epoch: updates in an epoch; None is one pass over the data.
        rank: this process, 0 <= rank < world.
        world: number of processes; divides the batch size.
        accumulate: parts in which a process works on its share of a batch, one after another; divides its share.
        done: parts already trained on, over the whole run.

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
    ) -> None:
        self.n, self.seed, self.rank, self.world, self.accumulate, self.done = n, seed, rank, world, accumulate, done
        shares = world * accumulate
        if n < shares:
            raise ValueError(f"{n} training examples are too few for {world} processes with {accumulate} parts each")
        self.batch_size = min(batch_size, n - n % shares)  # equal shares: they are averaged with equal weights
        self.per_pass = n // self.batch_size
        self.steps_per_epoch = steps_per_epoch or self.per_pass
        self._order: tuple[int, np.ndarray] = (-1, np.arange(n))

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
        whole = self.order_of(number)[at * self.batch_size : (at + 1) * self.batch_size]
        return Draw(whole[self.rank + self.world * part :: self.world * self.accumulate].tolist(), number)

    def forms_of(self, number: int, forms: int) -> np.ndarray:
        """Which of so many forms of each example one pass sees: (n,)."""
        return (first_forms(self.seed, self.n, forms) + number) % forms

    def order_of(self, number: int) -> np.ndarray:
        """Positions of all examples in the order of one pass: (n,)."""
        # A full batch has no order: shuffling it would change nothing but the rounding.
        if self.batch_size < self.n and self._order[0] != number:
            self._order = (number, generator(self.seed, "order", number).permutation(self.n))
        return self._order[1]


def evaluation_batches(n: int, batch_size: int, rank: int = 0, world: int = 1) -> list[list[int]]:
    """Batches of positions for one process; every process gets equally many, the last ones padded with repeats.

    Equal counts keep collective operations in step; repeats are dropped again by position.
    """
    mine = (np.arange(-(-n // world) * world) % n)[rank::world]
    size = max(1, batch_size // world)
    return [mine[i : i + size].tolist() for i in range(0, len(mine), size)]
