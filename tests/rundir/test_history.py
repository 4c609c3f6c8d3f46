"""metrics.csv: exact numbers, cut back exactly."""

import csv
import errno
import math
import os
import sys
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest

from lossbench.errors import UserError
from lossbench.rundir.history import History


def test_rows_are_tidy_and_in_order(tmp_path: Path) -> None:
    history = History(tmp_path / "metrics.csv")
    history.add(10, 0, {"train/loss": 0.5, "val/nll": 2})
    history.close()
    assert (tmp_path / "metrics.csv").read_text() == "step,epoch,name,value\n10,0,train/loss,0.5\n10,0,val/nll,2.0\n"


def test_every_float_comes_back_exactly(tmp_path: Path) -> None:
    values = [
        0.1 + 0.2,
        1 / 3,
        5e-324,
        sys.float_info.max,
        -0.0,
        math.inf,
        math.nan,
        1e22,
        np.float64(0.7),
        float(np.float32(0.1)),
    ]
    history = History(tmp_path / "metrics.csv")
    for step, value in enumerate(values):
        history.add(step, 0, {"x": value})
    history.close()
    with open(tmp_path / "metrics.csv", newline="") as file:
        found = [float(row["value"]) for row in csv.DictReader(file)]
    assert [value.hex() for value in found] == [float(value).hex() for value in values]


def test_flush_gives_the_length_on_disk(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    history = History(path)
    history.add(1, 0, {"x": 1.0})
    assert history.flush() == path.stat().st_size == len(path.read_bytes())
    history.close()


def test_a_resumed_run_cuts_back_to_its_checkpoint_and_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    first = History(path)
    first.add(1, 0, {"x": 1.0})
    kept = first.flush()
    first.add(2, 0, {"x": 2.0, "lost": 3.0})
    first.close()
    with open(path, "ab") as file:
        file.write(b"3,0,half a r")
    whole = path.read_bytes()[:kept]
    second = History(path, kept)
    assert path.read_bytes() == whole
    second.add(2, 0, {"x": 2.5})
    second.close()
    assert path.read_bytes() == whole + b"2,0,x,2.5\n"


def test_nothing_to_keep_starts_anew(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    path.write_text("rubbish")
    History(path).close()
    assert path.read_text() == "step,epoch,name,value\n"


@pytest.mark.parametrize("content", [None, "step,ep"])
def test_a_file_shorter_than_its_checkpoint_is_not_filled_with_zeros(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "metrics.csv"
    if content is not None:
        path.write_text(content)
    with pytest.raises(
        UserError,
        match=r"metrics\.csv has \d bytes, its checkpoint needs 100; restore it, or start anew with force=true",
    ):
        History(path, 100)
    assert content is None or path.read_text() == content


def test_a_full_disk_is_one_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_space(handle: int) -> NoReturn:
        raise OSError(errno.ENOSPC, "No space left on device")

    history = History(tmp_path / "metrics.csv")
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", no_space)
        with pytest.raises(UserError, match=r"cannot write .*metrics\.csv: No space left on device"):
            history.close()
    with pytest.raises(UserError, match=r"cannot write .*Is a directory"):
        History(tmp_path)
    with pytest.raises(ValueError, match="closed file"):  # nothing is left open
        history.flush()
