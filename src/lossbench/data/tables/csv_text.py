"""The text of a CSV file as a table: its separator, its columns' types, and the line that is damaged. Torch-free."""

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from io import BytesIO, TextIOWrapper
from itertools import islice
from typing import TYPE_CHECKING

from lossbench.errors import some

if TYPE_CHECKING:
    import polars

MISSING = ("", "?", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "NULL", "null")
"""What a cell without a value says. "None" is not among them: it is a class of many data sets."""
SEPARATORS = (",", ";", "\t")
TRIED = 50  # records by which the separator is found
LEADING_ZERO = r"^[+-]?0\d"
"""Codes such as 007: as numbers they would lose their zeros."""
LONG = r"^[+-]?\d{17,}$"
"""Codes of so many digits are not told apart as floating-point numbers."""
DECIMAL_COMMA = r"^[+-]?\d*,\d+$|^[+-]?\d+$"


def parse_csv(content: bytes) -> "polars.DataFrame":
    """Parse the text of a CSV file, separated by commas, semicolons or tabs.

    Args:
        content: UTF-8.

    Returns:
        Columns of numbers where all their cells are numbers, otherwise of text without spaces around it.

    Raises:
        ValueError: a name is there twice, or a line has another number of cells than the header.
        polars.exceptions.PolarsError: it is not UTF-8, or quotes are not closed.
    """
    import polars

    separator = _separator(content)
    names = next(_records(content, separator), [])
    _require_different(names)
    try:
        frame = polars.read_csv(BytesIO(content), separator=separator, infer_schema=False)
    except polars.exceptions.NoDataError:
        return polars.DataFrame()
    except polars.exceptions.ComputeError as error:
        _require_equal_lengths(content, separator, len(names))
        raise ValueError(str(error)) from error
    if frame.width and frame[:, -1].null_count():  # what polars also gives a line that is too short
        _require_equal_lengths(content, separator, len(names))
    frame = frame.filter(~polars.all_horizontal(polars.all().is_null()))
    return polars.DataFrame([_typed(column, separator) for column in _named(frame)])


def _separator(content: bytes) -> str:
    """The separator that gives the most cells, and equally many in all of the first records where one does."""
    found: dict[tuple[bool, int], str] = {}
    for separator in reversed(SEPARATORS):
        lengths = [len(record) for record in islice(_records(content, separator), TRIED)]
        found[len(set(lengths)) == 1, max(lengths, default=0)] = separator
    several = {key: separator for key, separator in found.items() if key[1] > 1} or found
    return several[max(several)]


def _records(content: bytes, separator: str) -> Iterator[list[str]]:
    """The records of a file; empty lines are none."""
    text = TextIOWrapper(BytesIO(content), encoding="utf-8-sig", newline="")
    return (record for record in csv.reader(text, delimiter=separator) if record)


def _require_different(names: Sequence[str]) -> None:
    counts = Counter(name.strip() for name in names)
    if twice := [repr(name) for name, count in counts.items() if count > 1]:
        raise ValueError(f"its first line names {some(twice)} more than once; give each column a name of its own")


def _require_equal_lengths(content: bytes, separator: str, width: int) -> None:
    for number, record in enumerate(_records(content, separator)):
        if len(record) != width:
            raise ValueError(
                f"row {number} has {len(record)} cells, and the header {width} (separated by {separator!r}); "
                "a text that holds the separator stands in quotes"
            )


def _named(frame: "polars.DataFrame") -> "Iterator[polars.Series]":
    """The columns by names without spaces around them; one without a name is called by its place."""
    for place, column in enumerate(frame.iter_columns(), start=1):
        yield column.alias(column.name.strip() or f"column {place}")


def _typed(column: "polars.Series", separator: str) -> "polars.Series":
    """Numbers where all cells are: codes with leading zeros, or too long for a number, stay text."""
    import polars

    text = column.str.strip_chars()
    text = text.set(text.is_in(MISSING), None)
    number = text
    if separator != "," and text.str.contains(DECIMAL_COMMA).all() and text.str.contains(",", literal=True).any():
        number = text.str.replace(",", ".", literal=True)
    number = number.cast(polars.Float64, strict=False)
    if number.null_count() > text.null_count() or text.null_count() == len(text):
        return text
    if text.str.contains(LEADING_ZERO).any():
        return text
    whole = text.cast(polars.Int64, strict=False)
    if whole.null_count() == text.null_count():
        return whole
    return text if text.str.contains(LONG).any() else number
