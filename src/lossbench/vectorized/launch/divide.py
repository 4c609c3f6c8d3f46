"""How the runs of a sweep are divided into groups, and these into stacks that several nodes share. Torch-free."""

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import TypeVar

from lossbench.config.schema import RunConfig
from lossbench.launch.slurm.division import Divide, Division
from lossbench.vectorized.eligible.settings import group_of, why_not

T = TypeVar("T")
LEAST = 16
"""Runs below which a stack is not cut to make more tasks: it would take as long to start as it saves."""


def sizes_of(runs: int, most: int, tasks: int) -> list[int]:
    """Give the sizes of the stacks that a group is cut into; they differ by at most one.

    Args:
        runs: of the group.
        most: runs of a stack.
        tasks: that should share it: there are at least as many stacks, unless they would have fewer than `LEAST` runs.
    """
    count = max(-(-runs // most), min(tasks, runs // LEAST), 1)
    return [runs // count + (k < runs % count) for k in range(count)]


def in_stacks(most: int) -> Divide:
    """Divide runs into stacks of at most `most` runs; what cannot be stacked is alone, with the reason."""

    def divide(configs: Sequence[RunConfig], together: Sequence[Sequence[int]], tasks: int) -> Division:
        stacks = [list(stack) for stack in together]
        begun = {k for stack in stacks for k in stack}
        left = [k for k in range(len(configs)) if k not in begun]
        groups, alone = grouped(
            left, lambda k: why_alone(configs[k]), lambda k: (configs[k].study, group_of(configs[k]))
        )
        for members in groups:
            stacks += _cut(_ordered(members, configs), most, tasks)
        return Division(stacks, alone)

    return divide


def grouped(
    runs: Iterable[T], why: Callable[[T], str | None], key: Callable[[T], Hashable]
) -> tuple[list[list[T]], dict[str, list[T]]]:
    """Group runs that can share a stack.

    Args:
        runs: in any form.
        why: says why one cannot be stacked; None where it can.
        key: what the runs of a group have in common.

    Returns:
        The groups, and reason -> the runs that are alone.
    """
    groups: dict[Hashable, list[T]] = {}
    alone: dict[str, list[T]] = {}
    for run in runs:
        if reason := why(run):
            alone.setdefault(reason, []).append(run)
        else:
            groups.setdefault(key(run), []).append(run)
    return [*groups.values()], alone


def why_alone(config: RunConfig) -> str | None:
    """Say why a run cannot be stacked with others; None where it can.

    Raises:
        UserError: a loss of the user's own cannot be built.
    """
    if reason := why_not(config):
        return reason
    if config.loss.target.startswith("lossbench.losses."):
        return None
    from lossbench.vectorized.members import why_not_loss  # imports torch, which builds it

    return why_not_loss(config)


def in_order(configs: Sequence[RunConfig]) -> list[int]:
    """The order in which runs whose losses differ in numbers alone are neighbours: indices into `configs`."""

    def kind(k: int) -> str:
        settings = configs[k].loss.record.items()
        return repr(sorted((name, value) for name, value in settings if value is None or isinstance(value, str | bool)))

    return sorted(range(len(configs)), key=kind)


def _ordered(members: Sequence[int], configs: Sequence[RunConfig]) -> list[int]:
    return [members[k] for k in in_order([configs[k] for k in members])]


def _cut(members: Sequence[int], most: int, tasks: int) -> list[list[int]]:
    pieces, start = list[list[int]](), 0
    for size in sizes_of(len(members), most, tasks):
        pieces.append(list(members[start : start + size]))
        start += size
    return pieces
