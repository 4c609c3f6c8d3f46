"""Which column of a table is what: target, split, group, weight and id, and the rows that they decide. Torch-free."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from lossbench.data.tables.reading import require_column
from lossbench.errors import some, suggest

if TYPE_CHECKING:
    import polars

TARGETS = ("target", "label", "class", "y")
"""What a column of classes is called where no setting names it."""
SPLIT_COLUMNS = ("split", "subset", "partition")
"""What a column is called that says train, val or test."""
PART_WORDS: Mapping[str, tuple[str, ...]] = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing"),
}


def find_target(frame: "polars.DataFrame", given: str | None, key: str = "target") -> str:
    """The column of the classes: as given, or the only one that is called so.

    Raises:
        ValueError: there is no such column, or none is given and not exactly one is called so.
    """
    if given is not None:
        require_column(frame, given, key)
        return given
    found = [name for name in frame.columns if name.lower() in TARGETS]
    if len(found) != 1:
        raise ValueError(f"{key} must name the column of the classes; {suggest('', frame.columns)}")
    return found[0]


def find_split(frame: "polars.DataFrame", given: str | None, used: Sequence[str], key: str = "split") -> str | None:
    """The column that says train, val or test: as given, or one that is called so and says nothing else."""
    if given is not None:
        require_column(frame, given, key)
        return given
    words = {word for part in PART_WORDS.values() for word in part}
    for name in frame.columns:
        if name.lower() in SPLIT_COLUMNS and name not in used:
            values = {str(value).lower() for value in frame[name].unique().to_list()}
            if values <= words and values & {*PART_WORDS["train"]}:
                return name
    return None


def parts_of(frame: "polars.DataFrame", column: str, key: str = "split") -> dict[str, np.ndarray]:
    """Read the published parts from a column.

    Args:
        frame: the table.
        column: says train, val or test, in any of `PART_WORDS`.
        key: the setting that names it.

    Returns:
        train, and val and test where there are such rows -> positions.

    Raises:
        ValueError: a row says something else or nothing, or none is for training.
    """
    parts = np.array([_part_of(value, row, f"{key}={column}") for row, value in enumerate(frame[column].to_list(), 1)])
    given = {part: np.flatnonzero(parts == part) for part in PART_WORDS}
    if not len(given["train"]):
        raise ValueError(f"{key}={column} has no row that says train")
    return {part: positions for part, positions in given.items() if len(positions)}


def _part_of(value: object, row: int, named: str) -> str:
    """The part that a cell of a row says."""
    word = str(value).strip().lower()
    for part, words in PART_WORDS.items():
        if word in words:
            return part
    said = "is empty" if value is None else f"says {value!r}"
    raise ValueError(f"{named} {said} in row {row}; every row is train, val or test")


def require_filled(frame: "polars.DataFrame", column: str, key: str) -> "polars.Series":
    """Give a column that has a value in every row.

    Raises:
        ValueError: names the first row without one.
    """
    found = frame[column]
    if empty := found.null_count():
        row = int(found.is_null().arg_max() or 0) + 1
        raise ValueError(f"{key}={column} is empty in {empty:,} rows, the first is row {row}; fill or remove them")
    return found


def weights_of(frame: "polars.DataFrame", column: str, key: str = "weight") -> np.ndarray:
    """Read the weights of examples: float32, (n,).

    Raises:
        ValueError: one is no number > 0.
    """
    import polars

    found = require_filled(frame, column, key).cast(polars.Float64, strict=False).cast(polars.Float32)
    wrong = ~(found.is_finite() & (found > 0)).fill_null(value=False)
    if wrong.any():
        row = int(wrong.arg_max() or 0)
        raise ValueError(f"{key}={column} must hold numbers > 0, got {frame[column][row]!r} in row {row + 1}")
    return found.to_numpy()


def ids_of(frame: "polars.DataFrame", column: str | None, key: str = "id") -> np.ndarray:
    """Read what the rows are called, or count them from 1: text, (n,).

    Raises:
        ValueError: two rows are called the same.
    """
    if column is None:
        return np.arange(1, frame.height + 1).astype(str)
    import polars

    found = require_filled(frame, column, key).cast(polars.String, strict=False)
    if twice := found.filter(found.is_duplicated()).unique(maintain_order=True).to_list():
        raise ValueError(
            f"{key}={column} must tell the rows apart, and is the same in several: {some(map(repr, twice))}"
        )
    return found.to_numpy().astype(str)
