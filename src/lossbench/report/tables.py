"""A table of a report: text for people, numbers for programs; as Markdown and for the terminal."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from lossbench.escaping import for_markdown, in_line
from lossbench.metrics.units import Unit

EMPTY = "–"
WORDS = ("loss", "verdict")  # columns of words, set to the left


class Table(NamedTuple):
    """A table a person reads, and its numbers for a program.

    Args:
        name: of its files.
        title: what it shows, with n where it is the same for all rows.
        columns: headings with units.
        rows: one text for each column.
        numbers: one dictionary a row, unrounded, in stored units.
    """

    name: str
    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    numbers: Sequence[Mapping[str, Any]]


def markdown(table: Table) -> str:
    """Write the table in Markdown."""
    head, *rows = ([for_markdown(cell) for cell in line] for line in (table.columns, *table.rows))
    lines = [head, ["---"] * len(head), *rows]
    return f"{for_markdown(table.title)}\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def aligned(table: Table, wanted: Sequence[str]) -> str:
    """Write the columns whose headings start with one of the words wanted, aligned."""
    chosen = [k for k, name in enumerate(table.columns) if name.startswith(tuple(wanted))]
    columns = [_aligned(table.columns[k], [in_line(row[k]) for row in table.rows]) for k in chosen]
    return "\n".join("  ".join(line).rstrip() for line in zip(*columns, strict=True))


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


def _aligned(heading: str, cells: Sequence[str]) -> list[str]:
    width = max(map(len, (heading, *cells)))
    put = str.ljust if heading in WORDS else str.rjust
    return [put(cell, width) for cell in (heading, *cells)]
