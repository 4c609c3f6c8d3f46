"""One task of a cluster: the runs of a list, trained as stacks. Torch-free until they start."""

import argparse
import shlex
from collections.abc import Sequence
from pathlib import Path

from lossbench.errors import Stopped, UserError, one_line, some
from lossbench.job.allocation import check_allocation
from lossbench.job.signals import StopSignals, handle_stop_signals
from lossbench.job.status import record_slurm_stop, slurm_decides
from lossbench.launch.exits import is_locked
from lossbench.launch.progress import SweepProgress, number_of_runs
from lossbench.launch.slurm.arrays import runs_in
from lossbench.rundir.directory import RunDirectory
from lossbench.rundir.progress import in_study


def run_task(listed: Path) -> None:
    """Bring the runs of a list to their results, as many at once as memory holds; what cannot be stacked one by one.

    The stacks are those that hydra/launcher=vectorized makes of these runs, and so are the results, to the bit.

    Args:
        listed: a file with one run directory a line.

    Raises:
        UserError: there is no such list, or runs have failed.
        Stopped: after a signal; the stack is saved, and in a SLURM job the job is queued again.
    """
    runs = [run for run in _read(listed) if not run.result_path.exists()]
    if not runs:
        print("all runs of this list are done")
        return
    progress = SweepProgress({run: in_study(run.path) for run in runs}, runs, _shown_metric(runs[0]))
    with handle_stop_signals() as stop_signals:
        try:
            _run(runs, progress, stop_signals)
        except Stopped as stopped:
            if slurm_decides(stopped) and not stopped.recorded:
                record_slurm_stop(_unfinished(runs, progress), stopped, _again(listed))
            raise
        finally:
            progress.close()
    if progress.failed:
        failed = some((f"{in_study(run.path)}: {reason}" for run, reason in progress.failed.items()), 3)
        raise UserError(f"{len(progress.failed)} of {number_of_runs(len(runs))} failed: {failed}")


def _read(listed: Path) -> list[RunDirectory]:
    try:
        runs = runs_in(listed)
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{listed} cannot be read ({error}); it must hold one run directory a line") from error
    if not runs:
        raise UserError(f"{listed} names no run; it must hold one run directory a line")
    return runs


def _run(runs: Sequence[RunDirectory], progress: SweepProgress, stop_signals: StopSignals) -> None:
    check_allocation(runs[0])
    with stop_signals.stops_if_urgent():  # an import that is broken off may fail in any way: it is finished first
        from lossbench.vectorized.launch.stacks import run_stacked  # imports torch
    stop_signals.check()
    try:
        with progress.line_each_minute():
            run_stacked(runs, progress)
    except Exception as error:
        reason = f"{type(error).__name__}: {one_line(error)}"
        for run in _unfinished(runs, progress):
            run.set_status("failed", reason=reason)
        raise


def _unfinished(runs: Sequence[RunDirectory], progress: SweepProgress) -> list[RunDirectory]:
    """The runs of this task that have neither a result nor a failure."""
    return [run for run in runs if run not in progress.failed and not run.result_path.exists() and not is_locked(run)]


def _shown_metric(run: RunDirectory) -> str:
    """The metric that each finished run is shown with."""
    return run.config.monitor.replace("val/", "test/", 1)


def _again(listed: Path) -> str:
    """The command that goes on with the task."""
    script = listed.with_suffix(".sh")
    if script.exists():
        return shlex.join(["sbatch", str(script)])
    return shlex.join(["python", "-m", "lossbench.vectorized", str(listed)])


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m lossbench.vectorized", description=__doc__)
    parser.add_argument("list", type=Path, help="a file with one run directory a line")
    run_task(parser.parse_args().list)
