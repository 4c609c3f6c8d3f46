"""Runs as hydra/launcher=auto brings them to their results: stacked, in processes, or one by one."""

from collections.abc import Sequence

from lossbench.job.signals import handle_stop_signals
from lossbench.launch.forked import ForkServer
from lossbench.launch.local import run_here
from lossbench.launch.processes import run_in_processes
from lossbench.launch.progress import SweepProgress
from lossbench.rundir.directory import RunDirectory
from lossbench.vectorized.checkpoint import key_of, saved_stacks
from lossbench.vectorized.launch.choice import Choice, at_a_time, choose
from lossbench.vectorized.launch.stacks import Left, stack_groups
from lossbench.vectorized.memory import Limits, release


def run_auto(
    runs: Sequence[RunDirectory],
    progress: SweepProgress,
    limits: Limits,
    n_jobs: int | None = None,
    server: ForkServer | None = None,
) -> None:
    """Bring run directories to their results; say what is stacked, what is not, and why.

    Args:
        runs: planned directories.
        progress: shows how each goes.
        limits: of a stack.
        n_jobs: most of the others at a time; None is one for each GPU, without GPUs for each core that memory allows.
        server: forks processes.

    Raises:
        UserError: a limit is wrong, or too small for a single run.
        Stopped: after a signal; what runs has been saved.
    """
    choice = choose([run.config for run in runs], n_jobs, _begun_alone(runs))
    for line in choice.lines():
        progress.say(line)
    others = [runs[k] for k in choice.others]
    try:
        with handle_stop_signals() as stop_signals:
            if choice.groups:
                groups = [[runs[k] for k in members] for members in choice.groups]
                others += _left(stack_groups(groups, progress, limits, stop_signals), n_jobs, progress)
                release()
            if others:
                _run_others(others, progress, n_jobs, server)
    finally:
        if server is not None:
            server.close()


def _begun_alone(runs: Sequence[RunDirectory]) -> set[int]:
    """Indices of the runs that were begun by themselves: they have a checkpoint, and no saved stack holds them."""
    begun = {k for k, run in enumerate(runs) if run.checkpoint("last").exists()}
    for study in {runs[k].path.parents[1] for k in begun}:
        for _, saved in saved_stacks(study):
            begun -= {k for k in begun if key_of(runs[k]) in saved["runs"]}
    return begun


def _left(left: Left, n_jobs: int | None, progress: SweepProgress) -> list[RunDirectory]:
    """Say how the runs go on that could not be stacked after all; give them and those of other processes."""
    found = [run for members in left.alone.values() for run in members]
    if found:
        reasons = {reason: [*range(len(members))] for reason, members in left.alone.items()}
        changed = Choice([], reasons, at_a_time([run.config for run in found], n_jobs), distributed=False)
        for line in changed.lines():
            progress.say(line)
    return [*found, *left.locked]


def _run_others(
    runs: Sequence[RunDirectory], progress: SweepProgress, n_jobs: int | None, server: ForkServer | None
) -> None:
    configs = [run.config for run in runs]
    n = at_a_time(configs, n_jobs)
    if n > 1 or any(config.trainer.processes > 1 for config in configs):
        run_in_processes(runs, progress, n, server)
    else:
        run_here(runs, progress)
