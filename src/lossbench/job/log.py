"""A run's log file: what is logged goes there instead of to the screen. Torch-free."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lossbench.rundir.files import cannot_write

log = logging.getLogger("lossbench")
REDIRECTED = ("lossbench", "pytorch_lightning", "lightning_fabric", "py.warnings")


@contextmanager
def log_file(path: Path) -> Iterator[None]:
    """Append log records, warnings and errors of threads to a file while the block runs.

    Raises:
        UserError: the file cannot be opened.
    """
    handler, root = _open(path), logging.getLogger()
    root.addHandler(handler)  # Lightning, imported later, prints to the screen where the root has no handler
    logging.captureWarnings(True)
    try:
        with _redirected_to(handler), _thread_errors_logged():
            yield
    finally:
        logging.captureWarnings(False)
        root.removeHandler(handler)
        with suppress(OSError):  # a full disk: the run's own files report it
            handler.close()


class _QuietFileHandler(logging.FileHandler):
    """A log that cannot be written stops nothing and prints no traceback: the run's own files report a full disk."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Go on."""


def _open(path: Path) -> logging.FileHandler:
    try:
        handler = _QuietFileHandler(path, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise cannot_write(path, error) from error
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    return handler


@contextmanager
def _redirected_to(handler: logging.Handler) -> Iterator[None]:
    """Give these loggers this handler alone, and their own back afterwards."""
    loggers = [logging.getLogger(name) for name in REDIRECTED]
    before = [(logger, logger.handlers[:], logger.level, logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        for logger, handlers, level, propagate in before:
            logger.handlers, logger.propagate = handlers, propagate
            logger.setLevel(level)


@contextmanager
def _thread_errors_logged() -> Iterator[None]:
    hook = threading.excepthook
    threading.excepthook = lambda died: log.error("a thread died: %s", died.exc_value)
    try:
        yield
    finally:
        threading.excepthook = hook
