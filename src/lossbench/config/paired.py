"""What pairs a run with those of other losses."""

from typing import Literal, Protocol


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
