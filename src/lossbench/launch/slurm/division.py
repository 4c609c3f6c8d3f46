"""Which runs of a sweep are trained together in one task, and which are tasks of their own. Torch-free."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from lossbench.config.schema import RunConfig


@dataclass(frozen=True)
class Division:
    """Runs divided over tasks; they are named by their places in the list that was divided.

    Args:
        stacks: the runs of each task that trains several.
        alone: why runs are tasks of their own -> those runs.
    """

    stacks: Sequence[Sequence[int]]
    alone: Mapping[str, Sequence[int]]


Divide = Callable[[Sequence[RunConfig], Sequence[Sequence[int]], int], Division]
"""Divides runs, given which of them were in one stack before, and how many tasks should share a group at least."""


def each_alone(configs: Sequence[RunConfig], together: Sequence[Sequence[int]], tasks: int) -> Division:
    """Make every run a task of its own."""
    return Division((), {"": range(len(configs))})
