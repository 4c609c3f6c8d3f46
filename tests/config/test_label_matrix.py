"""A matrix of wrong labels from a file: its numbers become part of the run."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lossbench.config.label_matrix import read_matrix
from lossbench.errors import UserError
from lossbench.rundir.directory import RunDirectory

RATES = (0.7 * np.eye(10) + 0.3 * np.roll(np.eye(10), 1, axis=1)).round(6)

Plan = Callable[..., RunDirectory]


def test_a_file_is_another_way_to_type_the_numbers(planned: Plan, tmp_path: Path) -> None:
    np.savetxt(tmp_path / "rates.csv", RATES, delimiter=",", fmt="%.6f")
    np.save(tmp_path / "rates.npy", RATES)
    typed = f"loss.matrix={RATES.tolist()}"
    given = [f"loss.matrix={tmp_path / 'rates.csv'}", f"loss.matrix={tmp_path / 'rates.npy'}", typed]
    runs = [planned("data=digits", "loss=forward_correction", each) for each in given]
    assert len({run.path.parent for run in runs}) == 1
    assert runs[0].config.loss.settings["matrix"] == RATES.tolist()
    other = planned("data=digits", "loss=forward_correction", f"loss.matrix={RATES.T.tolist()}")
    assert other.path.parent != runs[0].path.parent


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("rates.txt", "1", "loss.matrix must be null, a matrix with .* file with it, got "),
        ("missing.csv", None, "missing.csv cannot be read: .*No such file"),
        ("rates.csv", "a,b\n1,0\n", "rates.csv cannot be read: could not convert string 'a' .*; give rows of numbers"),
        ("rates.csv", "1,0\n1\n", "rates.csv cannot be read: .*number of columns"),
        ("rates.npy", "1,0\n", "rates.npy cannot be read: "),
    ],
)
def test_a_file_without_rows_of_numbers_is_refused(
    name: str, content: str | None, message: str, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(UserError, match=message):
        read_matrix("loss.matrix", str(tmp_path / name))
