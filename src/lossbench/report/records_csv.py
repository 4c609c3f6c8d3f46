"""Tables as CSV files, and the table with one row a run."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any, BinaryIO

from lossbench.escaping import csv_text
from lossbench.report.records import Record
from lossbench.rundir.files import write_atomic

FACTS = (
    "study", "data", "model", "loss", "hash", "replicate", "seed", "status", "reason", "steps", "epochs", "seconds",
    "peak_memory_mb", "engine", "device",
)  # fmt: skip
SETTING = "params.{}"
AT_A_TIME = 1000


def run_rows(records: Sequence[Record]) -> tuple[list[str], Iterator[dict[str, Any]]]:
    """Make one row a run: facts, metrics under their names, settings as params.NAME.

    Returns:
        The columns, and the rows as column -> value, made one by one; what a run does not have is missing.
    """
    columns = dict.fromkeys(("path", *FACTS))
    for record in records:
        columns |= dict.fromkeys((*record.metrics, *map(SETTING.format, record.params)))
    return list(columns), map(_row, records)


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write a table as CSV, whole or not at all; its rows are held some at a time."""

    def write(file: BinaryIO) -> None:
        cells = chain([columns], ([row.get(name, "") for name in columns] for row in rows))
        while some := list(islice(cells, AT_A_TIME)):
            file.write(csv_text(some).encode(errors="replace"))

    write_atomic(path, write)


def _row(record: Record) -> dict[str, Any]:
    status = {name: record.status.get(name) for name in FACTS}
    result = {} if record.result is None else record.result.to_json()
    facts = {**status, **result, "status": record.state}
    params = {SETTING.format(name): value for name, value in record.params.items()}
    return {"path": str(record.path), **{name: facts.get(name) for name in FACTS}, **record.metrics, **params}
