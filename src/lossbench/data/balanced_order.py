"""An order of training examples in which each class is drawn equally often. Torch-free."""

from typing import NamedTuple

import numpy as np

from lossbench.seeds import generator


class Slots(NamedTuple):
    """The examples of a pass, in order.

    Args:
        positions: (n,), of examples; those of small classes come back, those of large ones may be missing.
        uses: (n,), which use of its example each is: 0, 1, 2, ... over all passes, in any order within one.
    """

    positions: np.ndarray
    uses: np.ndarray


class BalancedOrder:
    """Passes of n examples of which each class that occurs has n / C, up to one; a function of (seed, pass).

    A class is dealt from shuffled decks of its examples, one after another over all passes, so that each is drawn as
    often as any other of its class, up to once.

    Args:
        targets: class indices of the training examples, (n,).
        seed: the run's.
    """

    def __init__(self, targets: np.ndarray, seed: int) -> None:
        self.n, self.seed = len(targets), seed
        members = [np.flatnonzero(targets == label) for label in range(int(targets.max()) + 1)]
        self.members = [each for each in members if len(each)]

    def slots(self, number: int) -> Slots:
        """Give the examples of one pass."""
        dealt = [self._dealt(place, number) for place in range(len(self.members))]
        positions, uses = (np.concatenate(column) for column in zip(*dealt, strict=True))
        order = generator(self.seed, "order", number).permutation(self.n)
        return Slots(positions[order], uses[order])

    def share(self, place: int, number: int) -> int:
        """Count the draws of a class in one pass; which classes have one more than others changes from pass to pass."""
        classes = len(self.members)
        return self.n // classes + ((place + number) % classes < self.n % classes)

    def _dealt(self, place: int, number: int) -> Slots:
        members, count = self.members[place], self.share(place, number)
        start = self._before(place, number)
        decks = range(start // len(members), (start + count - 1) // len(members) + 1)
        shuffled = [generator(self.seed, "deck", place, deck).permutation(members) for deck in decks]
        skipped = start - decks.start * len(members)
        part = slice(skipped, skipped + count)
        return Slots(np.concatenate(shuffled)[part], np.repeat(decks, len(members))[part])

    def _before(self, place: int, number: int) -> int:
        """How often a class is drawn in all passes before one."""
        classes, more = len(self.members), self.n % len(self.members)
        rounds, rest = divmod(number, classes)
        extra = rounds * more + sum((place + earlier) % classes < more for earlier in range(rest))
        return number * (self.n // classes) + extra
