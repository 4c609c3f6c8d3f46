"""The matrix of wrong labels: a row for each true class, a column for each given label. Torch-free."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from lossbench.config.plain import is_sequence
from lossbench.data.changes.rows_file import has_rows, read_rows
from lossbench.errors import UserError

SUM_ERROR = 1e-3
"""Of a row, which a file with few digits may have."""
LARGEST_CONDITION = 1e4
"""Above it the inverse loses more than half of float32's digits."""
KEY = "matrix"
TAKERS = ("ForwardCorrection", "BackwardCorrection")
"""The losses with such a matrix; a user's own loss may mean something else by the name."""
INVERTERS = ("BackwardCorrection",)
"""Those that take its inverse."""
WHAT = (
    "a matrix with a row for each true class and a column for each given label, each row a list of rates, or a .csv or "
    ".npy file with it"
)


def check_matrix(name: str, value: object, *, invertible: bool = False) -> None:
    """Check the rates at which labels of each class become another one.

    Args:
        name: of the setting, for messages.
        value: nested lists of numbers; None stands for what the data decide.
        invertible: whether its inverse is needed.

    Raises:
        ValueError: one line with what is wrong.
    """
    if value is None:
        return
    rows: list[Any] = list(value) if is_sequence(value) else []
    if not rows or not all(_is_row(row, len(rows)) for row in rows):
        raise ValueError(f"{name} must be null, {WHAT}, got {_short(value)}")
    rates = np.array(rows, dtype=np.float64)
    _check_rates(name, rates)
    if invertible and np.linalg.cond(rates) > LARGEST_CONDITION:
        raise ValueError(
            f"{name} has no inverse that float32 can hold (its condition number is {np.linalg.cond(rates):.3g}, at "
            f"most {LARGEST_CONDITION:g} is allowed): labels of some classes cannot be told apart; use "
            "loss=forward_correction"
        )


def with_matrix(loss: Mapping[str, Any]) -> dict[str, Any]:
    """Put the numbers of a file in its place, so that a run needs no file and its identity is what was in it.

    Args:
        loss: the settings of a loss.

    Raises:
        UserError: the file cannot be read, or holds no rows of numbers.
    """
    given = loss.get(KEY)
    takes = str(loss.get("_target_")).rpartition(".")[2] in TAKERS
    return {**loss, KEY: read_matrix(f"loss.{KEY}", given)} if takes and isinstance(given, str) else dict(loss)


def read_matrix(name: str, path: str) -> list[list[float]]:
    """Read rows of numbers from a .csv file without a header, or from a .npy file; nothing in it is executed.

    Args:
        name: of the setting, for messages.
        path: of the file.

    Raises:
        UserError: it cannot be read, or holds no rows of numbers.
    """
    if not has_rows(path):
        raise UserError(f"{name} must be null, {WHAT}, got {path!r}")
    try:
        return read_rows(name, path).tolist()
    except ValueError as error:
        raise UserError(str(error)) from error


def _check_rates(name: str, rates: np.ndarray) -> None:
    sums = rates.sum(1)
    wrong = ~((rates >= 0) & (rates <= 1 + SUM_ERROR))
    if wrong.any():
        raise ValueError(f"{name} must hold rates within 0 and 1, got {rates[wrong][0]:g}")
    if (far := np.abs(sums - 1)).max() > SUM_ERROR:
        row = int(far.argmax())
        raise ValueError(f"each row of {name} must add up to 1, and row {row} adds up to {sums[row]:.6g}")
    if not (rates.sum(0) > 0).all():
        column = int(rates.sum(0).argmin())
        raise ValueError(f"column {column} of {name} is 0: no example could have that label; give it a rate > 0")


def _is_row(row: object, classes: int) -> bool:
    return is_sequence(row) and len(row) == classes and all(_is_number(each) for each in row)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
