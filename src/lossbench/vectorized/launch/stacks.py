"""Run planned directories as stacks; what cannot be stacked runs one by one."""

from collections.abc import Sequence
from typing import NamedTuple

from lossbench.hardware import cleared, keep_freed_memory
from lossbench.job.signals import StopSignals, handle_stop_signals
from lossbench.launch.local import run_here
from lossbench.launch.progress import SweepProgress, number_of_runs
from lossbench.rundir.directory import RunDirectory
from lossbench.vectorized.eligible.settings import group_of
from lossbench.vectorized.group import run_group
from lossbench.vectorized.launch.divide import grouped, why_alone
from lossbench.vectorized.memory import Limits


class Left(NamedTuple):
    """What is left of groups that were to be stacked.

    Args:
        alone: why runs could not be stacked after all -> these runs.
        locked: runs that another process was working on.
    """

    alone: dict[str, list[RunDirectory]]
    locked: list[RunDirectory]


def run_stacked(
    runs: Sequence[RunDirectory],
    progress: SweepProgress,
    memory_gb: float | None = None,
    max_runs: int | None = None,
    tensorboard: bool | str = "auto",
) -> None:
    """Bring run directories to their results, as many at once as can be.

    Args:
        runs: planned directories.
        progress: shows how each goes.
        memory_gb: memory that a stack may take, GB; None is half of the free memory.
        max_runs: most runs in a stack; None is as many as fit.
        tensorboard: whether TensorBoard's records are written; "auto" of stacks of at most 100 runs.

    Raises:
        UserError: a limit is wrong, or too small for a single run.
        Stopped: after a signal; the stack is saved.
    """
    limits = Limits(memory_gb, max_runs, tensorboard)
    groups, alone = grouped(runs, lambda run: why_alone(run.config), lambda run: group_of(run.config))
    with handle_stop_signals() as stop_signals:
        left = stack_groups(groups, progress, limits, stop_signals)
        for reason, members in (*alone.items(), *left.alone.items()):
            progress.say(f"one by one, {number_of_runs(len(members))}: {reason}")
            run_here(members, progress)
        run_here(left.locked, progress)


def stack_groups(
    groups: Sequence[Sequence[RunDirectory]], progress: SweepProgress, limits: Limits, stop_signals: StopSignals
) -> Left:
    """Train groups of runs as stacks, one group after another.

    Args:
        groups: of runs that can be stacked.
        progress: shows how each goes.
        limits: of a stack.
        stop_signals: a signal stops a stack after a step.

    Raises:
        UserError: a limit is wrong, or too small for a single run.
        Stopped: after a signal; the stack is saved.
    """
    limits.check()
    keep_freed_memory()
    left = Left({}, [])
    for members in groups:
        with cleared():
            reason = run_group(members, progress, limits, left.locked, stop_signals)
        if reason:
            ended = {*left.locked, *progress.failed}
            left.alone.setdefault(reason, []).extend(run for run in members if run not in ended)
    return left
