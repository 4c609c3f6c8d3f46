"""The labels in a table: a class in each row, or any number of labels. Torch-free; rows count from 1."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from lossbench.errors import some

if TYPE_CHECKING:
    import polars

TRUE, FALSE = ("1", "1.0", "true", "yes"), ("0", "0.0", "false", "no")
ABSENT = ("-1", "-1.0")
"""What stands for 0 in columns of -1 and 1."""


def holds_several(columns: Sequence["polars.Series"], separator: str | None) -> bool:
    """Whether any number of labels may hold in a row: several columns, lists, or text with a separator."""
    import polars

    return len(columns) > 1 or separator is not None or columns[0].dtype.base_type() in (polars.List, polars.Array)


def read_labels(
    columns: Sequence["polars.Series"], separator: str | None, *, several: bool
) -> tuple[tuple[str, ...], np.ndarray]:
    """Read the labels of all rows.

    Args:
        columns: one with a class, with a list of labels or with labels and separators; or one of 0 and 1 a label.
        separator: what stands between the labels of a cell, such as ";"; None is for one class a cell.
        several: whether any number of labels holds in a row.

    Returns:
        The names of the classes, and their indices, int64 (n,), or 0 and 1 for each label, float32 (n, C).

    Raises:
        ValueError: a cell is empty or no label, with its row.
    """
    if not several:
        return _of_classes(columns[0])
    if len(columns) == 1 and holds_several(columns, separator):
        return _of_lists(columns[0], separator)
    if separator is not None:
        raise ValueError("separator is for one column with several labels in a cell; leave it out")
    return tuple(column.name for column in columns), np.stack([_holds(column) for column in columns], axis=1)


def _of_classes(column: "polars.Series") -> tuple[tuple[str, ...], np.ndarray]:
    """A class in each row."""
    texts = _texts(column)
    _require_all(column, texts)
    names = _sorted_names(set(texts))
    if 2 * len(names) > len(texts):
        raise ValueError(
            f"target={column.name} has {len(names):,} different values in {len(texts):,} rows, and a column of classes "
            "has a few, each of them often; name another column"
        )
    index = {name: k for k, name in enumerate(names)}
    return names, np.array([index[text] for text in texts], dtype=np.int64)


def _texts(column: "polars.Series") -> list[str]:
    """The cells as text, "" where they are empty."""
    import polars

    kind = column.dtype
    if kind.is_float():
        fractions = np.flatnonzero(column.fill_null(0.0).to_numpy() % 1)
        if len(fractions):
            raise ValueError(
                f"target={column.name}, row {fractions[0] + 1:,}: {column[int(fractions[0])]} has a fraction, and "
                "classes are text or whole numbers; name another column"
            )
        column = column.cast(polars.Int64)
    elif not (kind.is_integer() or kind in (polars.String, polars.Boolean, polars.Categorical, polars.Enum)):
        raise ValueError(f"target={column.name} holds {kind}, and classes are text or whole numbers")
    return column.cast(polars.String).fill_null("").str.strip_chars().to_list()


def _require_all(column: "polars.Series", texts: Sequence[str]) -> None:
    if missing := [row for row, text in enumerate(texts, 1) if not text]:
        others = f", the first of {len(missing):,} such rows" if len(missing) > 1 else ""
        raise ValueError(f"target={column.name} is empty in row {missing[0]:,}{others}; fill it in, or delete the row")


def _sorted_names(names: set[str]) -> tuple[str, ...]:
    """Whole numbers by size, text by the alphabet."""
    numbers = all(name.removeprefix("-").isdecimal() for name in names)
    return tuple(sorted(names, key=(lambda name: (int(name), name)) if numbers else str))


def _of_lists(column: "polars.Series", separator: str | None) -> tuple[tuple[str, ...], np.ndarray]:
    """Several labels a cell; an empty list, or an empty cell of text, has none."""
    labels = [{label.strip() for label in cell} - {""} for cell in _lists(column, separator)]
    names = _sorted_names(set[str]().union(*labels))
    if not names:
        raise ValueError(f"target={column.name} holds no label at all")
    targets, index = np.zeros((len(labels), len(names)), dtype=np.float32), {name: k for k, name in enumerate(names)}
    for row, found in enumerate(labels):
        targets[row, [index[label] for label in found]] = 1
    return names, targets


def _lists(column: "polars.Series", separator: str | None) -> list[list[str]]:
    """The labels of each cell, as text."""
    import polars

    if separator is not None:
        if column.dtype != polars.String:
            raise ValueError(f"separator is for a column of text, and {column.name} holds {column.dtype}; leave it out")
        return [cell.split(separator) for cell in column.fill_null("").to_list()]
    _require_all(column, ["" if missing else "some" for missing in column.is_null().to_list()])
    return [[str(label) for label in cell if label is not None] for cell in column.to_list()]


def _holds(column: "polars.Series") -> np.ndarray:
    """0 or 1 in each row of one label's column, float32 (n,)."""
    texts = [text.lower() for text in _texts(column)]
    _require_all(column, texts)
    words = {*texts}
    false = ABSENT if words & {*ABSENT} and not words & {*FALSE} else FALSE
    if strange := words - {*TRUE, *false}:
        row = next(row for row, text in enumerate(texts, 1) if text in strange)
        raise ValueError(
            f"target={column.name}, row {row:,}: {column[row - 1]!r} is neither 0 nor 1, and of several columns each "
            f"says whether its label holds (0 and 1, false and true, or -1 and 1); found: {some(sorted(words))}"
        )
    return np.isin(texts, TRUE).astype(np.float32)
