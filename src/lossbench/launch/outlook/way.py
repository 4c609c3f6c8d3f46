"""How a launcher brings runs to their results, as far as it decides how long that takes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lossbench.config.schema import RunConfig


def alone(config: RunConfig) -> str | None:
    """The group of a run that is trained by itself."""
    return None


def no_stacks(configs: Sequence[RunConfig]) -> float:
    """The time of a stack where there are no stacks."""
    return 0.0


def one_stack(runs: int) -> list[int]:
    """The size of the one stack that the runs of a group make."""
    return [runs]


def nothing(configs: Sequence[RunConfig]) -> None:
    """Prepare nothing."""


def nothing_said(configs: Sequence[RunConfig]) -> list[str]:
    """Say nothing: the user has chosen."""
    return []


@dataclass(frozen=True)
class Way:
    """How runs are brought to their results.

    Args:
        words: such as "one after another".
        at_a_time: runs at a time; None where a cluster decides it.
        starts: seconds that each run, or stack, takes beside its own work, for a process of its own.
        group: gives what the runs of a stack have in common; None for a run that is trained by itself.
        time_stack: times a stack of some runs, s, but for features and files.
        cut: gives the sizes of the stacks that so many runs of a group are cut into, the largest first.
        prepare: starts what takes seconds for new runs, while these are tried out.
        least: runs of a group below which they are not stacked.
        chosen: says how runs would go on and why, where the launcher chooses.
    """

    words: str = "one after another"
    at_a_time: int | None = 1
    starts: float = 0.0
    group: Callable[[RunConfig], str | None] = alone
    time_stack: Callable[[Sequence[RunConfig]], float] = no_stacks
    cut: Callable[[int], list[int]] = one_stack
    prepare: Callable[[Sequence[RunConfig]], None] = nothing
    least: int = 1
    chosen: Callable[[Sequence[RunConfig]], list[str]] = nothing_said


PROCESS_SECONDS, FORK_SECONDS = 6.0, 0.3
"""What a process takes to import torch and Lightning, and to start as a fork of one that has."""
