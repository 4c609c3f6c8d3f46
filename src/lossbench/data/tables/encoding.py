"""The columns of a table as numbers: fitted on training rows alone, and applied by a pure function. Torch-free.

A number is standardised, a missing one is the median and has a column of its own that says so; a category is one-hot,
rare ones together, missing ones apart; a time is a number of days.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lossbench.data.tables.kinds import KINDS, RARE, Kind, as_kind
from lossbench.data.tables.reading import require_column

if TYPE_CHECKING:
    import polars

MOST = 30
"""Columns of one category's values, the most frequent ones."""
LONGEST = 100
"""Characters of a value that has a column of its own: result.json holds it."""

Column = Mapping[str, Any]
"""How one column is encoded, in plain values: name, kind, and what was fitted."""


def fit(frame: "polars.DataFrame", kinds: Mapping[str, Kind]) -> list[dict[str, Any]]:
    """Fit the encoding of columns on training rows.

    Args:
        frame: the training rows, and no others.
        kinds: column -> what it holds.

    Returns:
        name, kind, and of numbers and times median, mean, std (None where all are equal) and missing; of categories
        values, other (whether there are rare ones) and missing. Columns that are constant there are left out.
    """
    columns: list[dict[str, Any]] = []
    for name, kind in kinds.items():
        column = as_kind(frame[name], kind)
        fitted = _fit_category(column) if kind == "category" else _fit_number(column)
        if width({"kind": kind, **fitted}) > (kind == "category"):
            columns.append({"name": name, "kind": kind, **fitted})
    return columns


def _fit_number(column: "polars.Series") -> dict[str, Any]:
    values = column.to_numpy()
    missing = np.isnan(values)
    median = float(np.median(values[~missing])) if not missing.all() else 0.0
    filled = np.where(missing, median, values)
    with np.errstate(over="ignore", invalid="ignore"):
        mean, std = float(filled.mean()), float(filled.std())
    if not np.isfinite([mean, std]).all():
        raise ValueError(f"column {column.name!r} has numbers too large for their variance; scale it or leave it out")
    constant = std <= 10 * np.finfo(np.float64).eps * abs(mean)
    return {
        "median": median,
        "mean": mean,
        "std": None if constant else std,
        "missing": bool(missing.any() and not missing.all()),
    }


def _fit_category(column: "polars.Series") -> dict[str, Any]:
    counts = column.drop_nulls().value_counts()
    found = sorted(
        zip(counts["count"].to_list(), counts[column.name].to_list(), strict=True), key=lambda c: (-c[0], c[1])
    )
    frequent = [value for count, value in found if count >= RARE and len(value) <= LONGEST][:MOST]
    return {
        "values": sorted(frequent),
        "other": len(frequent) < len(found),
        "missing": bool(column.null_count()),
    }


def width(column: Column) -> int:
    """How many numbers a column becomes."""
    if column["kind"] == "category":
        return len(column["values"]) + column["other"] + column["missing"]
    return (column["std"] is not None) + column["missing"]


def encoded_names(columns: Sequence[Column]) -> list[str]:
    """Name the numbers that the columns become: age, age=missing, city=Rome, city=other, (D,)."""
    names: list[str] = []
    for column in columns:
        name = str(column["name"])
        if column["kind"] == "category":
            names += [f"{name}={value}" for value in [*column["values"], *["other"] * column["other"]]]
        elif column["std"] is not None:
            names.append(name)
        names += [f"{name}=missing"] * column["missing"]
    return names


def encode(columns: Sequence[Column], frame: "polars.DataFrame") -> np.ndarray:
    """Encode rows as they were encoded in training; a pure function of its arguments.

    A value that training has not seen is "other" where there were rare ones; otherwise all columns of its category
    are 0, as they are where a value is missing that never was in training. A missing number is the median.

    Args:
        columns: what `fit` gave, as result.json holds it under "columns".
        frame: rows with at least these columns.

    Returns:
        float32, (n, D).

    Raises:
        ValueError: a column is missing, or a cell is not of its column's kind.
    """
    parts = [part for column in columns for part in _encoded(column, frame)]
    return np.stack(parts, axis=1).astype(np.float32) if parts else np.zeros((frame.height, 0), dtype=np.float32)


def _encoded(column: Column, frame: "polars.DataFrame") -> Iterator[np.ndarray]:
    name, kind = column["name"], column["kind"]
    if kind not in KINDS:
        raise ValueError(f"column {name!r} is of an unknown kind, {kind!r}")
    require_column(frame, name, "column")
    given = as_kind(frame[name], kind)
    missing = given.is_null().to_numpy()
    if kind == "category":
        yield from _one_hot(column, given, missing)
    elif column["std"] is not None:
        yield (np.where(missing, column["median"], given.to_numpy()) - column["mean"]) / column["std"]
    if column["missing"]:
        yield missing


def _one_hot(column: Column, given: "polars.Series", missing: np.ndarray) -> Iterator[np.ndarray]:
    known = np.zeros(len(given), dtype=bool)
    for value in column["values"]:
        is_value = (given == value).fill_null(value=False).to_numpy()
        known |= is_value
        yield is_value
    if column["other"]:
        yield ~known & ~missing
