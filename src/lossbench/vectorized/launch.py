"""Run planned directories as stacks; what cannot be stacked runs one by one."""

from collections.abc import Sequence

from lossbench.hardware import cleared, keep_freed_memory
from lossbench.job.signals import handle_stop_signals
from lossbench.launch.local import run_here
from lossbench.launch.progress import SweepProgress, number_of_runs
from lossbench.rundir.directory import RunDirectory
from lossbench.vectorized.eligible import group_of, why_not
from lossbench.vectorized.group import run_group
from lossbench.vectorized.members import why_not_loss
from lossbench.vectorized.memory import Limits


def run_stacked(
    runs: Sequence[RunDirectory], progress: SweepProgress, memory_gb: float | None = None, max_runs: int | None = None
) -> None:
    """Bring run directories to their results, as many at once as can be.

    Args:
        runs: planned directories.
        progress: shows how each goes.
        memory_gb: memory that a stack may take, GB; None is half of the free memory.
        max_runs: most runs in a stack; None is as many as fit.

    Raises:
        UserError: a limit is wrong, or too small for a single run.
        Stopped: after a signal; the stack is saved.
    """
    limits = Limits(memory_gb, max_runs)
    limits.check()
    keep_freed_memory()
    groups: dict[str, list[RunDirectory]] = {}
    alone: dict[str, list[RunDirectory]] = {}
    for run in runs:
        if reason := why_not(run.config) or why_not_loss(run.config):
            alone.setdefault(reason, []).append(run)
        else:
            groups.setdefault(group_of(run.config), []).append(run)
    locked: list[RunDirectory] = []
    with handle_stop_signals() as stop_signals:
        for members in groups.values():
            with cleared():
                reason = run_group(members, progress, limits, locked, stop_signals)
            if reason:
                ended = {*locked, *progress.failed}
                alone.setdefault(reason, []).extend(run for run in members if run not in ended)
        for reason, members in alone.items():
            progress.say(f"one by one, {number_of_runs(len(members))}: {reason}")
            run_here(members, progress)
        run_here(locked, progress)
