"""Run, resume or report one run directory: python -m lossbench.job RUN_DIR."""

import argparse
import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from lossbench.config.resolve import verify
from lossbench.errors import Stopped, UserError, one_line
from lossbench.job.allocation import check_allocation, requeue
from lossbench.job.distributed import rank, where
from lossbench.job.signals import Listener, forward_signals, listening
from lossbench.job.status import recorded_rank_status, recorded_status
from lossbench.rundir.directory import RunDirectory
from lossbench.rundir.files import cannot_write, write_json
from lossbench.rundir.result import table

log = logging.getLogger("lossbench")
NOISY = ("lossbench", "pytorch_lightning", "lightning_fabric", "py.warnings")


def start(run: RunDirectory) -> dict[str, Any]:
    """Bring a run directory to its result and show it.

    Args:
        run: a planned directory.

    Returns:
        What result.json holds.

    Raises:
        UserError: as `bring_to_result`.
    """
    if rank() > 0:
        return _help(run)
    if run.result() is not None:
        print("this run is done already; force=true archives it and runs it anew")
    return _show(run, bring_to_result(run))


def _help(run: RunDirectory) -> dict[str, Any]:
    """Do a helper process's part of a distributed run; the first process owns the directory."""
    if (done := run.result()) is not None:
        return done
    try:
        with listening() as listener, _log_file(run.path / f"train.rank{rank()}.log"), recorded_rank_status(run):
            check_allocation(run)
            return _execute(run, listener)
    except Stopped:  # the first process says it; an exit code of another one would end the first
        sys.exit(0)
    except UserError:
        raise
    except Exception as error:
        raise UserError(
            f"{where()}: {type(error).__name__}: {one_line(error)}; train.rank{rank()}.log has more"
        ) from error


def bring_to_result(run: RunDirectory) -> dict[str, Any]:
    """Bring a run directory to its result: read that of a done run, resume an interrupted one, start a planned one.

    Args:
        run: a planned directory.

    Returns:
        What result.json holds.

    Raises:
        UserError: the directory cannot be run (edited, damaged, owned by a living process), or the run failed by its settings.
    """
    done = run.result()
    if done is not None:
        run.verify()
        return done
    if not (run.path / "config.yaml").exists():
        raise UserError(f"{run.path} is not a run directory: it holds no config.yaml; train.py plans run directories")
    try:
        with run.lock(), listening() as listener:
            verify(run)
            if (done := run.result()) is not None:  # somebody finished it while this process came to lock it
                return done
            with _log_file(run.log_path), recorded_status(run):
                check_allocation(run)
                result = _execute(run, listener)
                write_json(run.result_path, result)
    except Stopped:
        if run.status.get("status") not in ("failed", "cancelled"):  # the signal may have come before the run began
            requeue()
        raise
    run.prune_checkpoints(run.config["keep_checkpoints"])
    return result


def hand_over(run: RunDirectory) -> int:
    """Run a directory in a process of its own: distributed runs restart the command line they were started with."""
    child = subprocess.Popen([sys.executable, "-m", "lossbench.job", str(run.path)])
    with forward_signals(child.pid):
        try:
            return child.wait()
        except KeyboardInterrupt:  # the terminal has told the child too, which says how it ended
            child.wait()
            raise


def _execute(run: RunDirectory, listener: Listener) -> dict[str, Any]:
    if rank() == 0:
        print(f"run directory: {run.path}", flush=True)
    from lossbench.training.fit import (
        execute,  # torch and lightning take seconds to import: only when something really runs
    )

    return execute(run, listener)


def _show(run: RunDirectory, result: dict[str, Any]) -> dict[str, Any]:
    print(f"\n{table(result)}\n± is the half-width of the 95 % interval from the n examples of this one run")
    if skipped := sum(result.get("skipped_images", {}).values()):
        print(f"{skipped} images could not be read and were left out; python scripts/check_data.py lists them")
    print(f"{result['steps']} steps in {result['seconds']:.1f} s; everything is in {run.path}\n", flush=True)
    return result


class _QuietFileHandler(logging.FileHandler):
    """A log that cannot be written stops nothing, and prints no traceback for every line: what matters fails with a message of its own."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Go on."""


@contextmanager
def _log_file(path: Path) -> Iterator[None]:
    """Send what is logged, and how a helper thread died, to a file instead of the screen."""
    try:
        handler = _QuietFileHandler(path)
    except OSError as error:
        raise cannot_write(path, error) from error
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    loggers = [logging.getLogger(name) for name in NOISY]
    before = [(logger, logger.handlers[:], logger.level, logger.propagate) for logger in loggers]
    logging.getLogger().addHandler(
        handler
    )  # Lightning, imported later, prints to the screen where the root has no handler
    logging.captureWarnings(True)
    hook, threading.excepthook = threading.excepthook, lambda died: log.error("a thread died: %s", died.exc_value)
    for logger in loggers:
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        threading.excepthook = hook
        logging.captureWarnings(False)
        for logger, handlers, level, propagate in before:
            logger.handlers, logger.propagate = handlers, propagate
            logger.setLevel(level)
        logging.getLogger().removeHandler(handler)
        with suppress(OSError):
            handler.close()


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m lossbench.job", description=__doc__)
    parser.add_argument("run_dir", type=Path, help="a directory that train.py planned")
    start(RunDirectory(parser.parse_args().run_dir))
