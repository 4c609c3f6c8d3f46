"""What pairs a run with those of other losses."""

from typing import Literal, Protocol

from lossbench.seeds import derive

SEEDS = 2**32
"""Seeds have 32 bits."""


def seed_of(replicate: int, *, trial: bool) -> int:
    """Give the seed of a replicate's run: its number; of a trial another one, the same for all trials and losses.

    Args:
        replicate: r >= 0.
        trial: whether the run is a trial; the run of the chosen setting starts from a seed that chose nothing.
    """
    return derive(replicate, "trial") % SEEDS if trial else replicate


class _Numbered(Protocol):
    @property
    def seed(self) -> int: ...
    @property
    def replicate(self) -> int | None: ...


class Paired:
    """A run among those of its setting: told apart by the replicate, or else by the seed."""

    @property
    def kind(self: _Numbered) -> Literal["replicate", "seed"]:
        """What tells the runs of one setting apart."""
        return "seed" if self.replicate is None else "replicate"

    @property
    def unit(self: _Numbered) -> int:
        """The number of the replicate, or of the seed."""
        return self.seed if self.replicate is None else self.replicate
