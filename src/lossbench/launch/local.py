"""Runs one after another in this process. Torch-free until one starts."""

import time
from collections.abc import Sequence
from contextlib import redirect_stdout

from lossbench.config.schema import RunConfig
from lossbench.errors import OwnedError, Stopped, UserError, one_line
from lossbench.hardware import cleared, require_machine
from lossbench.job.signals import StopSignals, handle_stop_signals
from lossbench.job.start import bring_to_result
from lossbench.launch.exits import recorded_reason
from lossbench.launch.progress import SweepProgress, number_of_runs
from lossbench.rundir.directory import RunDirectory
from lossbench.rundir.files import cannot_write
from lossbench.rundir.result import Result
from lossbench.streams import Output, as_text

POLL_SECONDS = 1.0  # between two tries to lock runs that other processes own


def check_one_process(config: RunConfig) -> None:
    """Refuse what this process alone cannot run.

    Raises:
        UserError: there is no GPU, or the run takes several processes.
    """
    trainer = config.trainer
    require_machine(trainer)
    if trainer.processes > 1:
        raise UserError(
            f"trainer.devices={trainer.devices}, trainer.num_nodes={trainer.num_nodes}: this launcher is one "
            "process; use hydra/launcher=process on this machine, hydra/launcher=slurm on a cluster"
        )


def run_here(runs: Sequence[RunDirectory], progress: SweepProgress) -> None:
    """Bring run directories to their results, one after another; a run that fails stops no other.

    Args:
        runs: planned directories.
        progress: counts and prints how each ends.

    Raises:
        Stopped: after a signal, also one that came while a run was being finished.
    """
    with handle_stop_signals() as stop_signals:
        owned = [run for run in runs if not _finish(run, progress, stop_signals)]
        if owned:
            progress.say(f"waiting for {number_of_runs(len(owned))} of other processes, for example {owned[0].path}")
        while owned:
            time.sleep(POLL_SECONDS)
            owned = [run for run in owned if not _finish(run, progress, stop_signals)]


def _finish(run: RunDirectory, progress: SweepProgress, stop_signals: StopSignals) -> bool:
    """Bring one run to its result or its failure; False where another process owns it."""
    stop_signals.check()
    progress.started(run)
    try:
        with cleared():
            result, reason = _attempt(RunDirectory(run.path))  # as its files are now
    except OwnedError:
        progress.postponed(run)
        return False
    progress.finished(run, result, reason)
    return True


def _attempt(run: RunDirectory) -> tuple[Result | None, str | None]:
    """Give the result, or the reason why there is none."""
    try:
        return _logged(run), None
    except (OwnedError, Stopped):
        raise
    except UserError as error:
        return None, one_line(error)
    except SystemExit as error:
        return None, recorded_reason(run, f"called sys.exit({error.code})")
    except Exception as error:  # train.log has the traceback, and the sweep lists the reason at its end
        return None, f"{type(error).__name__}: {one_line(error)}"


def _logged(run: RunDirectory) -> Result:
    """Run it; what it prints goes to its train.log."""
    try:
        output = Output(run.log_path)
    except OSError as error:
        raise cannot_write(run.log_path, error) from error
    with as_text(output, "utf-8", line_buffering=True) as log, redirect_stdout(log):
        return bring_to_result(run)
