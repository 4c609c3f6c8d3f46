"""Runs one after another in this process."""

import time
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from typing import Any

from lossbench.errors import OwnedError, Stopped, UserError, one_line
from lossbench.hardware import require_gpu
from lossbench.job.start import bring_to_result
from lossbench.launch.progress import SweepProgress
from lossbench.rundir.directory import RunDirectory
from lossbench.rundir.files import cannot_write

POLL_SECONDS = 1.0  # between two looks at runs that other processes have


def check_one_process(config: Mapping[str, Any]) -> None:
    """Refuse what this process alone cannot run.

    Raises:
        UserError: there is no GPU, or the run takes several processes.
    """
    trainer = config["trainer"]
    require_gpu(trainer["accelerator"])
    if trainer["devices"] * trainer["num_nodes"] > 1:
        raise UserError(
            f"trainer.devices={trainer['devices']}, trainer.num_nodes={trainer['num_nodes']}: this launcher is one process; "
            "use hydra/launcher=process on this machine, hydra/launcher=slurm on a cluster"
        )


def run_here(runs: Sequence[RunDirectory], progress: SweepProgress) -> None:
    """Bring run directories to their results, one after another; a run that fails stops no other.

    Args:
        runs: planned directories.
        progress: is told how each goes.

    Raises:
        KeyboardInterrupt: the user wants all of it to stop.
        SystemExit: a signal does.
    """
    owned = [run for run in runs if not _tried(run, progress)]
    if owned:
        progress.say(
            f"waiting for {len(owned)} {'run' if len(owned) == 1 else 'runs'} of other processes, for example {owned[0].path}"
        )
    while owned:
        time.sleep(POLL_SECONDS)
        owned = [run for run in owned if not _tried(run, progress)]


def _tried(run: RunDirectory, progress: SweepProgress) -> bool:
    """Bring one run to its result; False where another process has it."""
    progress.started(run)
    try:
        result, reason = _attempt(run)
    except OwnedError:
        progress.left()
        return False
    progress.finished(run, result, reason)
    return True


def _attempt(run: RunDirectory) -> tuple[dict[str, Any] | None, str | None]:
    try:
        return _quietly(run), None
    except OwnedError:
        raise
    except UserError as error:
        return None, one_line(error)
    except SystemExit as error:
        if isinstance(error, Stopped):
            raise
        return None, str(run.status.get("reason", f"called sys.exit({error.code})"))
    except Exception as error:  # whatever it was, it has been written to train.log and is listed at the end
        return None, f"{type(error).__name__}: {one_line(error)}"


def _quietly(run: RunDirectory) -> dict[str, Any]:
    """What the run prints goes to its train.log."""
    try:
        log = open(run.log_path, "a")  # noqa: SIM115 - closed below; opening alone can fail for want of space
    except OSError as error:
        raise cannot_write(run.log_path, error) from error
    with log, redirect_stdout(log):
        return bring_to_result(run)
