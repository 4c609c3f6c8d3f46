"""A table of a report: text for people, numbers for programs; as Markdown and for the terminal."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from lossbench.escaping import for_markdown, in_line
from lossbench.metrics.units import Unit

EMPTY = "–"
WORDS = (
    "loss",
    "verdict",
    "at the defaults",
    "at home",
    "diverged",
    "setting",
    "metric",
    "edges",
)  # columns of words, set to the left
WIDTH = 100  # characters of a terminal's line that a table keeps to where its names allow
GAP = "  "


class Table(NamedTuple):
    """A table a person reads, and its numbers for a program.

    Args:
        name: of its files.
        title: what it shows, with n where it is the same for all rows.
        columns: headings with units; a line break parts what stands on two lines.
        rows: one text for each column; a line break parts the number from what belongs to it, such as its interval.
        numbers: one dictionary a row, unrounded, in stored units; empty where another table's file has them.
        groups: title -> how many columns after the first; a page shows each as a table of its own, below each other.
        note: what a reader has to know of the columns.
    """

    name: str
    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    numbers: Sequence[Mapping[str, Any]] = ()
    groups: Mapping[str, int] = {}
    note: str = ""


def stacked(table: Table) -> Iterator[Table]:
    """Part a table into its groups of columns, each with the first column, without rows and columns that are empty."""
    if not table.groups:
        yield table
        return
    start = 1
    for title, count in table.groups.items():
        yield _columns_of(table, range(start, start + count), title)
        start += count


def _columns_of(table: Table, columns: range, title: str) -> Table:
    filled = [k for k in columns if {row[k] for row in table.rows} != {EMPTY}]
    rows = [[row[0], *(row[k] for k in filled)] for row in table.rows]
    headings = [table.columns[0], *(table.columns[k] for k in filled)]
    return table._replace(title=title, columns=headings, rows=[row for row in rows if {*row[1:]} - {EMPTY}])


def markdown(table: Table) -> str:
    """Write the table in Markdown."""
    head, *rows = ([for_markdown(in_one_line(cell)) for cell in line] for line in (table.columns, *table.rows))
    lines = [head, ["---"] * len(head), *rows]
    return f"{for_markdown(table.title)}\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def aligned(table: Table, most: int = WIDTH) -> str:
    """Write the table for a terminal: columns in line, the last one only where no line is longer than `most`."""
    columns = [_lines_of(table, k) for k in range(len(table.columns))]
    if sum(len(column[0]) + len(GAP) for column in columns) - len(GAP) > most:
        columns.pop()
    return "\n".join(GAP.join(line).rstrip() for line in zip(*columns, strict=True))


def _lines_of(table: Table, column: int) -> list[str]:
    """The lines of a column, all of one width; its heading stands on the last lines of the highest."""
    heading = table.columns[column].split("\n")
    above = [""] * (max(name.count("\n") + 1 for name in table.columns) - len(heading))
    cells = [in_line(in_one_line(row[column])) for row in table.rows]
    lines = [*above, *heading, *cells]
    width = max(map(len, lines))
    return [line.ljust(width) if heading[0] in WORDS else line.rjust(width) for line in lines]


def in_one_line(cell: str) -> str:
    """A cell of two lines in one, the second one in brackets."""
    first, _, second = cell.partition("\n")
    return f"{first} ({second})" if second else first


def cut(text: str, most: int) -> str:
    """A text of at most so many characters."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def words_cell(text: str) -> str:
    """A text that others have chosen, in one line, without control characters."""
    return in_line(" ".join(text.split())) or EMPTY


def in_unit(unit: str) -> str:
    """The end of a heading: " (points)"; nothing for a number without unit."""
    return f" ({unit})" if unit else ""


def value_cell(value: float, unit: Unit) -> str:
    """A number in the shown unit."""
    return EMPTY if math.isnan(value) else f"{unit.factor * value:.{unit.digits}f}"


def interval_cell(low: float, high: float, unit: Unit, *, signed: bool = False) -> str:
    """An interval in the shown unit: "-0.10 to +0.20"."""
    if math.isnan(low):
        return EMPTY
    sign = "+" if signed else ""
    return f"{unit.factor * low:{sign}.{unit.digits}f} to {unit.factor * high:{sign}.{unit.digits}f}"


def number_cell(value: float | None, digits: int) -> str:
    """A number as it is stored."""
    return EMPTY if value is None or math.isnan(value) else f"{value:.{digits}f}"
