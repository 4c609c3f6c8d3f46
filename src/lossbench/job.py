"""Run, resume or report one run directory: python -m lossbench.job RUN_DIR."""

import argparse
import errno
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from lossbench.contract.directory import RunDirectory
from lossbench.contract.files import cannot_write, write_json
from lossbench.errors import UserError, asked_to_stop, exit_on_user_error, one_line
from lossbench.plan import verify
from lossbench.report import table

log = logging.getLogger("lossbench")
NOISY = ("lossbench", "pytorch_lightning", "lightning_fabric", "py.warnings")
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)


def start(run: RunDirectory) -> dict[str, Any]:
    """Bring a run directory to its result and show it.

    Args:
        run: a planned directory.

    Returns:
        What result.json holds.

    Raises:
        UserError: as `bring_to_result`.
    """
    if "LOCAL_RANK" in os.environ:  # a helper process of a distributed run; the first one owns the directory
        with _log_file(run.path / f"train.rank{os.environ['LOCAL_RANK']}.log"):
            return _execute(run)
    if run.result() is not None:
        print("this run is done already; force=true archives it and runs it anew")
    return _show(run, bring_to_result(run))


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
    with run.claim():
        verify(run)
        if (done := run.result()) is not None:  # somebody finished it while this process came to claim it
            return done
        with _log_file(run.log_path), _states(run):
            result = _execute(run)
            write_json(run.result_path, result)
    run.prune_checkpoints(run.config["keep_checkpoints"])
    return result


def hand_over(run: RunDirectory) -> int:
    """Run a directory in a process of its own: distributed runs restart the command line they were started with."""
    return subprocess.run([sys.executable, "-m", "lossbench.job", str(run.path)], check=False).returncode


def processes(run: RunDirectory) -> int:
    """How many processes a run takes."""
    return run.config["trainer"]["devices"] * run.config["trainer"]["num_nodes"]


def _execute(run: RunDirectory) -> dict[str, Any]:
    if "LOCAL_RANK" not in os.environ:
        print(f"run directory: {run.path}", flush=True)
    from lossbench.run import execute  # torch and lightning take seconds to import: only when something really runs

    return execute(run)


def _show(run: RunDirectory, result: dict[str, Any]) -> dict[str, Any]:
    print(f"\n{table(result)}\n± is the half-width of the 95 % interval from the n examples of this one run")
    if skipped := sum(result.get("skipped_images", {}).values()):
        print(f"{skipped} images could not be read and were left out; python scripts/check_data.py lists them")
    print(f"{result['steps']} steps in {result['seconds']:.1f} s; everything is in {run.path}\n", flush=True)
    return result


@contextmanager
def _states(run: RunDirectory) -> Iterator[None]:
    run.set_status("running")
    try:
        yield
    except KeyboardInterrupt:
        run.set_status("cancelled", reason="interrupted by the user")
        raise
    except SystemExit as error:
        if asked_to_stop(error):
            run.set_status("preempted", reason=f"asked to stop: {one_line(error)}")
        else:
            run.set_status("failed", reason=f"called sys.exit({'' if error.code is None else error.code})")
        raise
    except Exception as error:
        log.exception("failed")
        cause = _failed_write(error, run.path) or error
        with suppress(UserError):  # a full disk, which the cause says already
            run.set_status(
                "failed", reason=one_line(cause) if isinstance(cause, UserError) else f"{type(cause).__name__}: {one_line(cause)}"
            )
        if cause is error:
            raise
        raise cause from error
    run.set_status("done")


def _failed_write(error: BaseException, folder: Path) -> UserError | None:
    """Find a write that failed behind an error that is not the user's: loggers write in threads, and say it in their own words."""
    behind: BaseException | None = None if isinstance(error, UserError) else error
    while behind is not None:
        if isinstance(behind, OSError) and behind.errno in NO_ROOM:
            return cannot_write(Path(behind.filename or folder), behind)
        behind = behind.__cause__ or behind.__context__
    return None


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
    logging.getLogger().addHandler(handler)  # Lightning, imported later, prints to the screen where the root has no handler
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


if __name__ == "__main__":
    exit_on_user_error(main)
