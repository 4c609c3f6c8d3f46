"""The examples of a split, for K runs: held once, and an index of them for each replicate."""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property

import torch
from torch import Tensor


class Examples:
    """A split as each of K runs sees it.

    Args:
        inputs: (N, ...), what any run may see; with rows (M, ...), all forms of them.
        target: (N,) class indices.
        which: the replicate of each run, 0..R-1.
        chosen: (n,) positions of each replicate's examples; None where all runs see all of them, in order (R = 1).
        weight: (N,) of each example in the training loss; None where all count alike.
        rows: (N, F), where in the inputs the forms of each example are, of which each pass of training sees another
            one; None where there is one.
        dtype: of the inputs as models see them; None is that in which they are held.
        own: (n,) targets of each replicate's examples, where they are not those of all; in the order of `chosen`.
        true: the same before labels were made wrong; None where none were.
        prepare: makes of some inputs as they are held, (b, ...), what models see; None changes nothing.
    """

    def __init__(
        self,
        inputs: Tensor,
        target: Tensor,
        which: Sequence[int],
        chosen: Sequence[Tensor] | None = None,
        weight: Tensor | None = None,
        rows: Tensor | None = None,
        dtype: torch.dtype | None = None,
        own: Sequence[Tensor] | None = None,
        true: Sequence[Tensor] | None = None,
        prepare: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        self.inputs, self.rows, self._prepare = inputs, rows, prepare
        self.dtype = dtype or inputs.dtype
        self.which = torch.tensor(which, dtype=torch.int64, device=inputs.device)
        self.sizes = [len(target)] if chosen is None else [len(positions) for positions in chosen]
        self.index: Tensor | None = None if chosen is None else padded(chosen).to(inputs.device)
        """(R, n) positions, padded with repeats of a replicate's first example."""
        self.by_replicate_target = self._of_each(target) if own is None else padded(own).to(inputs.device)
        """(R, n), padded like the positions."""
        self.by_replicate_weight = None if weight is None else self._of_each(weight)
        """(R, n), padded like the positions; None where all count alike."""
        self.by_replicate_true = None if true is None else padded(true).to(inputs.device)
        """(R, n), padded like the positions: the targets before labels were made wrong; None where none were."""

    def __len__(self) -> int:
        return max(self.sizes)

    def _of_each(self, column: Tensor) -> Tensor:
        """What each replicate has of a column of all examples: (N, ...) -> (R, n, ...)."""
        return column[None] if self.index is None else column[self.index]

    @cached_property
    def targets(self) -> Tensor:
        """(n,) where all runs have the same examples, otherwise (K, n)."""
        return self.by_replicate_target[0] if self.index is None else self.by_replicate_target[self.which]

    def each_target(self) -> list[Tensor]:
        """The targets of each run on the CPU, as many as its replicate has; runs of one replicate share theirs."""
        known = [row[:size].cpu() for row, size in zip(self.by_replicate_target, self.sizes, strict=True)]
        return [known[replicate] for replicate in self.which.tolist()]

    def take(self, index: Tensor) -> Tensor:
        """Give inputs by position: (...) positions -> (..., ...)."""
        chosen = self.seen(self.held(index.flatten()))
        return chosen.view(*index.shape, *chosen.shape[1:])

    def held(self, index: Tensor) -> Tensor:
        """Give inputs as they are held, by position: (b,) positions -> (b, ...)."""
        return self.inputs.index_select(0, index)  # twice as fast as indexing with two dimensions

    def seen(self, held: Tensor) -> Tensor:
        """Give inputs as models see them, (b, ...), of those that are held, (b, ...)."""
        return (held if self._prepare is None else self._prepare(held)).to(self.dtype)

    def blocks(self, size: int) -> Iterator[Tensor]:
        """The inputs that all runs share, `size` examples at a time: (size, ...)."""
        return (self.seen(block) for block in self.inputs.split(size))

    def gathered(self, size: int) -> Iterator[Tensor]:
        """The inputs of all runs, `size` examples at a time: (K, size, ...)."""
        assert self.index is not None
        return (self.take(block[self.which]) for block in self.index.split(size, dim=1))

    def by_replicate(self, size: int) -> Iterator[tuple[Tensor, Iterator[Tensor]]]:
        """Each replicate's runs, and its inputs, `size` examples at a time: (size, ...)."""
        assert self.index is not None
        for replicate, row in enumerate(self.index):
            runs = (self.which == replicate).nonzero()[:, 0]
            yield runs, (self.take(block) for block in row.split(size))


def padded(columns: Sequence[Tensor]) -> Tensor:
    """Stack columns of unequal lengths, (n, ...) each, as (R, longest, ...): the shorter repeat their first row."""
    longest = max(map(len, columns))
    return torch.stack([torch.cat((each, each[:1].expand(longest - len(each), *each.shape[1:]))) for each in columns])
