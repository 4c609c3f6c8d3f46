"""Tables as CSV files, and the table with one row a run."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lossbench.escaping import csv_text
from lossbench.report.records import Record
from lossbench.rundir.files import write_text

FACTS = (
    "study", "data", "model", "loss", "hash", "replicate", "seed", "status", "reason", "steps", "epochs", "seconds",
    "peak_memory_mb", "engine", "device",
)  # fmt: skip


def run_rows(records: Iterable[Record]) -> tuple[list[str], list[dict[str, Any]]]:
    """Make one row a run: facts, metrics under their names, settings as params.NAME.

    Returns:
        The columns, and the rows as column -> value; what a run does not have is missing.
    """
    rows: list[dict[str, Any]] = []
    columns = dict.fromkeys(("path", *FACTS))
    for record in records:
        row = _row(record)
        columns |= dict.fromkeys(row)
        rows.append(row)
    return list(columns), rows


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write a table as CSV, whole or not at all."""
    cells = ([row.get(name, "") for name in columns] for row in rows)
    write_text(path, csv_text([columns, *cells]))


def _row(record: Record) -> dict[str, Any]:
    status = {name: record.status.get(name) for name in FACTS}
    result = {} if record.result is None else record.result.to_json()
    facts = {**status, **result, "status": record.state}
    params = {f"params.{name}": value for name, value in record.params.items()}
    return {"path": str(record.path), **{name: facts.get(name) for name in FACTS}, **record.metrics, **params}
