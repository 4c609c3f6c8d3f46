"""All curves of some runs, read from their metrics.csv."""

import csv
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from lossbench.errors import UserError, one_line
from lossbench.rundir.directory import RunDirectory
from lossbench.rundir.finished import require_run
from lossbench.rundir.reading import DamagedError, read_bytes, why

if TYPE_CHECKING:
    from lossbench.plots.curves import Curve


class RunCurves(NamedTuple):
    """The curves of some runs.

    Args:
        of_run: label -> metric -> steps and values.
        left_out: why a run has no curves here, a line for each.
    """

    of_run: "dict[str, dict[str, Curve]]"
    left_out: list[str]


def read_run_curves(runs: Iterable[RunDirectory]) -> RunCurves:
    """Read the curves of some runs, labelled by loss, data, model and seed; what cannot be read is left out and named.

    Raises:
        UserError: none can be read.
    """
    found = RunCurves({}, [])
    for run in runs:
        try:
            found.of_run[_label(run)] = _read(run)
        except UserError as error:
            found.left_out.append(one_line(error))
    if not found.of_run:
        raise UserError("; ".join(found.left_out[:1]))
    return found


def _label(run: RunDirectory) -> str:
    config = run.config
    return f"{config.loss.name}, {config.data.name}, {config.model.name}, {config.kind} {config.unit}"


def _read(run: RunDirectory) -> "dict[str, Curve]":
    path = run.metrics_path
    require_run(run)
    if not os.path.lexists(path):
        raise UserError(f"{path} does not exist: the run has not started; run it with {run.start_command}")
    try:
        return _parse(read_bytes(path).decode())
    except (OSError, ValueError, TypeError, KeyError, csv.Error) as error:
        raise DamagedError(path, f"cannot be read ({why(error)})", "restore it, or leave that run out") from error


def _parse(text: str) -> "dict[str, Curve]":
    whole = text[: text.rfind("\n") + 1]  # a run that is running may be in the middle of a line
    curves: dict[str, tuple[list[int], list[float]]] = {}
    for row in csv.DictReader(whole.splitlines()):
        steps, values = curves.setdefault(row["name"], ([], []))
        steps.append(int(row["step"]))
        values.append(float(row["value"]))
    if not curves:
        raise ValueError("it has no values")
    return {name: (steps, values) for name, (steps, values) in curves.items()}
