"""Run, resume or report one run directory: python -m lossbench.job RUN_DIR."""

import argparse
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from lossbench.config.verify import verify
from lossbench.errors import Stopped, UserError, one_line
from lossbench.hardware import importing
from lossbench.job.allocation import check_allocation
from lossbench.job.distributed import is_srun_task, process_name, rank
from lossbench.job.log import log_file
from lossbench.job.signals import StopSignals, forward_signals, handle_stop_signals
from lossbench.job.status import record_stop, recorded_rank_status, recorded_status, slurm_decides
from lossbench.rundir.contents import check_folders
from lossbench.rundir.directory import RunDirectory
from lossbench.rundir.last_and_best import words
from lossbench.rundir.progress import FILE
from lossbench.rundir.progress_file import removed_after
from lossbench.rundir.result import Result
from lossbench.rundir.table import table


def start(run: RunDirectory) -> Result:
    """Bring a run directory to its result and show it.

    Args:
        run: a planned directory.

    Returns:
        What result.json holds.

    Raises:
        UserError: as `bring_to_result`.
    """
    if rank() > 0:
        return _run_rank(run)
    if run.result() is not None:
        print("this run is done already; force=true archives it and runs it anew")
    return _show(run, bring_to_result(run))


def bring_to_result(run: RunDirectory) -> Result:
    """Bring a run directory to its result: read that of a done run, resume an interrupted one, start a planned one.

    Args:
        run: a planned directory.

    Returns:
        What result.json holds.

    Raises:
        UserError: the directory cannot be run (edited, damaged, owned by a living process), or its settings cannot.
    """
    if (done := run.result()) is not None:
        run.verify()
        return done
    if not (run.path / "config.yaml").exists():
        raise UserError(f"{run.path} is not a run directory: it holds no config.yaml; lossbench plans run directories")
    check_folders(run.path)  # the lock is written before the rest is checked
    try:
        with handle_stop_signals() as stop_signals, run.lock():
            with stop_signals.stops_at_once():
                verify(run)
            _require_valid(run)
            if (done := run.result()) is not None:  # another process finished it before this one locked it
                return done
            result = _run_locked(run, stop_signals)
    except Stopped as stopped:
        if slurm_decides(stopped) and not stopped.recorded:  # the signal came before the run began
            record_stop(run, stopped)
        raise
    run.prune_checkpoints(run.config.keep_checkpoints)
    return result


def _require_valid(run: RunDirectory) -> None:
    """Refuse a cell of a sweep whose loss is not defined for its numbers; its status stays invalid."""
    if (status := run.status).get("status") == "invalid":
        raise UserError(f"{run.path} is invalid: {status.get('reason')}; choose other numbers for the loss")


def hand_over(run: RunDirectory) -> int:
    """Run a directory in a process of its own: distributed runs restart the command line they were started with."""
    # In a group of its own, so that Ctrl-C in a terminal reaches it once, through this process.
    child = subprocess.Popen([sys.executable, "-m", "lossbench.job", str(run.path)], process_group=0)
    with forward_signals(child):
        return child.wait()


def _run_locked(run: RunDirectory, stop_signals: StopSignals) -> Result:
    """Do rank 0's part of a run: log, status and result are its own."""
    with log_file(run.log_path), recorded_status(run), removed_after(run.path / FILE):
        check_allocation(run)
        print(f"run directory: {run.path}", flush=True)
        result = _execute(run, stop_signals)
        result.write(run.result_path)  # from here the run is done: a signal changes nothing any more
    return result


def _run_rank(run: RunDirectory) -> Result:
    """Do the part of a rank above 0: it trains as the others do; rank 0 owns the directory."""
    if (done := run.result()) is not None:
        return done
    log_path = run.path / f"train.rank{rank()}.log"
    try:
        with handle_stop_signals() as stop_signals, log_file(log_path), recorded_rank_status(run):
            check_allocation(run)
            return _execute(run, stop_signals)
    except Stopped:
        sys.exit(0)  # at another code Lightning and srun kill rank 0, which may still save and ask SLURM to requeue
    except UserError:
        raise
    except Exception as error:
        what = f"{process_name()}: {type(error).__name__}: {one_line(error)}"
        raise UserError(f"{what}; {log_path.name} has more") from error


def _execute(run: RunDirectory, stop_signals: StopSignals) -> Result:
    with stop_signals.stops_if_urgent(), importing():
        # torch and lightning take seconds to import: only for a run that starts.
        # An import that is broken off may fail in any way: it is finished first.
        from lossbench.training.fit import execute

    return execute(run, stop_signals, rank=rank(), srun_task=is_srun_task())


def _show(run: RunDirectory, result: Result) -> Result:
    print(f"\n{table(result)}\n± is the half-width of the 95 % interval from the n examples of this one run")
    for note in notes(result):
        print(note)
    print(f"{result.steps} steps in {result.seconds:.1f} s; everything is in {run.path}\n", flush=True)
    return result


def notes(result: Result) -> Iterator[str]:
    """What a result's reader should know beside its numbers, a line each."""
    yield from words(result.facts)
    raw, scaled = (result.metrics.get(f"test/{name}") for name in ("ece", "ece_scaled"))
    if raw is not None and scaled is not None and scaled > raw:
        yield (
            f"the scale fitted on {result.n['val']:,} validation examples raised test/ece from {100 * raw:.1f} to "
            f"{100 * scaled:.1f} %: the raw probabilities are better calibrated here"
        )
    if skipped := sum(result.facts.get("skipped_images", {}).values()):
        yield f"{skipped} images could not be read and were left out; lossbench check lists them"


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m lossbench.job", description=__doc__)
    parser.add_argument("run_dir", type=Path, help="a directory that lossbench planned")
    start(RunDirectory(parser.parse_args().run_dir))
