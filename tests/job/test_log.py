"""A run's log file."""

import logging
import threading
import warnings
from pathlib import Path

import pytest

from lossbench.errors import UserError
from lossbench.job.log import log_file


def fail() -> None:
    raise RuntimeError("the cat sat on the thread")


def test_what_is_logged_while_a_run_runs_is_in_its_file_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    logger, hook = logging.getLogger("lossbench"), threading.excepthook
    before = (logger.handlers[:], logger.level, logger.propagate, logging.getLogger().handlers[:])
    with log_file(tmp_path / "train.log"), warnings.catch_warnings():
        warnings.simplefilter("default")
        logging.getLogger("lossbench.training").info("an epoch")
        warnings.warn("a warning", stacklevel=1)
        thread = threading.Thread(target=fail)
        thread.start()
        thread.join()
    written = (tmp_path / "train.log").read_text()
    assert all(text in written for text in ("an epoch", "a warning", "a thread died: the cat sat on the thread"))
    assert capsys.readouterr() == ("", "")
    assert (logger.handlers, logger.level, logger.propagate, logging.getLogger().handlers) == before
    assert threading.excepthook is hook


def test_a_log_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^cannot write .*train\.log: "), log_file(tmp_path / "missing" / "train.log"):
        pass
