"""Runs in processes of their own, several at a time: a crash of one leaves the others alone. Torch-free."""

import time
from collections.abc import Sequence

from lossbench.config.schema import RunConfig
from lossbench.errors import UserError, one_line
from lossbench.hardware import require_machine
from lossbench.job.signals import StopSignals, handle_stop_signals
from lossbench.launch.exits import exit_reason, is_locked, last_lines
from lossbench.launch.forked import ForkServer, started_server
from lossbench.launch.pool import Pool, RunProcess, default_n_jobs
from lossbench.launch.progress import SweepProgress
from lossbench.rundir.directory import RunDirectory

POLL_SECONDS = 0.05


def check_n_jobs(n_jobs: object) -> None:
    """Require a number of runs at a time.

    Raises:
        UserError: it is none.
    """
    if n_jobs is not None and (isinstance(n_jobs, bool) or not isinstance(n_jobs, int) or n_jobs < 1):
        raise UserError(f"hydra.launcher.n_jobs must be a whole number >= 1 or null, got {n_jobs!r}")


def check_one_machine(config: RunConfig, launcher: str) -> None:
    """Refuse what this machine alone cannot run.

    Args:
        config: of a run.
        launcher: how the user named it, such as process.

    Raises:
        UserError: there is no GPU, or the run takes several machines.
    """
    require_machine(config.trainer)
    if (nodes := config.trainer.num_nodes) > 1:
        raise UserError(
            f"trainer.num_nodes={nodes}: hydra/launcher={launcher} is one machine; use hydra/launcher=slurm"
        )


def run_in_processes(
    runs: Sequence[RunDirectory], progress: SweepProgress, n_jobs: int | None = None, server: ForkServer | None = None
) -> None:
    """Bring run directories to their results, each by python -m lossbench.job in a process of its own.

    Args:
        runs: planned directories.
        progress: counts and prints how each ends.
        n_jobs: runs at a time; None is one for each GPU, without GPUs one for each CPU core that memory allows.
        server: forks the processes; None starts one where that saves time. It is closed at the end.

    Raises:
        UserError: n_jobs is wrong.
        Stopped: after a signal; the runs have saved. Ctrl-C again has stopped them at once.
    """
    check_n_jobs(n_jobs)
    server = server or started_server([run.config for run in runs])
    pool = Pool(n_jobs or default_n_jobs(runs), server, progress.say)
    with handle_stop_signals() as stop_signals:
        try:
            _run_all(pool, list(runs), progress, stop_signals)
        finally:
            pool.stop(stop_signals)
            if server is not None:
                server.close()
        stop_signals.check()  # not before: a signal while the process leaves would end it, and the runs would go on


def _run_all(pool: Pool, waiting: list[RunDirectory], progress: SweepProgress, stop_signals: StopSignals) -> None:
    while (waiting or pool.active) and stop_signals.received is None:
        for run in list(waiting):
            if pool.has_room(run) and not is_locked(run):
                waiting.remove(run)
                _start(pool, run, progress)
        for ended in pool.take_ended():
            if not _report(ended, progress):
                waiting.append(ended.run)
        time.sleep(POLL_SECONDS)


def _start(pool: Pool, run: RunDirectory, progress: SweepProgress) -> None:
    progress.started(run)
    try:
        pool.start(run)
    except UserError as error:  # the log of this run cannot be written; those of the others may
        progress.finished(run, None, one_line(error))


def _report(ended: RunProcess, progress: SweepProgress) -> bool:
    """Report a finished run; False where it has to wait again, because another process locked it first."""
    run, code = ended.run, ended.process.wait()
    try:
        return _report_exit(run, code, progress)
    except UserError as error:  # its files are damaged, or cannot be written; those of the others may
        progress.finished(run, None, one_line(error))
        return True


def _report_exit(run: RunDirectory, code: int, progress: SweepProgress) -> bool:
    result = run.result()
    if result is not None and code == 0:
        progress.finished(run, result)
    elif is_locked(run):
        progress.postponed(run)
        return False
    else:
        progress.finished(run, None, exit_reason(run, code))
        for line in last_lines(run.log_path):
            progress.say(f"    {line}")
    return True
