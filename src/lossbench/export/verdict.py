"""What the reports of a study say about a run's loss."""

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lossbench.errors import UserError
from lossbench.rundir.result import Result

NUMBERS = ("difference_mean", "difference_low", "difference_high", "n")


def verdicts(study: Path, result: Result) -> list[dict[str, Any]]:
    """Find the rows of a run's setting in the verdict tables of its study, that of the newest report first.

    Args:
        study: the folder of the run's study.
        result: of the run.

    Returns:
        For each report its name, the metric, the verdict, the loss that it is against, the difference with its 95 %
        interval in the unit that is stored, and the number of replicates.
    """
    found = []
    for path in sorted(study.glob("reports/*/verdict.csv"), key=lambda file: -file.stat().st_mtime_ns):
        found += _of_report(path, result)
    return found


def _of_report(path: Path, result: Result) -> Iterator[dict[str, Any]]:
    rows = _rows(path)
    baseline = next((row["arm"] for row in rows if row.get("baseline") == "True"), "")
    for row in rows:
        if _is_of(row, result, tuned=path.parents[2].name.endswith(".tuned")):
            yield {"report": path.parent.name, **_row(row, baseline)}


def _is_of(row: Mapping[str, str], result: Result, *, tuned: bool) -> bool:
    """Whether a row is of a run's setting; in a fair fight an arm is a loss, tuned anew in each replicate."""
    return row["arm"] == result.loss if tuned else row.get("hash") == result.hash


def _row(row: Mapping[str, str], baseline: str) -> dict[str, Any]:
    said: dict[str, Any] = {"metric": row["metric"], "loss": row["arm"]}
    if row["arm"] == baseline:
        said |= {"verdict": "baseline"}
    else:
        said |= {"verdict": row.get("difference_verdict") or "undecided", "against": baseline}
    return said | {name.removeprefix("difference_"): float(row[name]) for name in NUMBERS if row.get(name)}


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = [*csv.DictReader(file)]
    except (OSError, ValueError, csv.Error) as error:
        raise UserError(f"{path} cannot be read ({error}); make the report again") from error
    if rows and not {"arm", "metric"} <= rows[0].keys():
        raise UserError(f"{path} is no verdict table of a report; move it away, or make the report again")
    return rows
