"""All curves of some runs, read from their metrics.csv."""

import csv
from collections.abc import Iterable
from pathlib import Path

from lossbench.errors import UserError
from lossbench.plots.curves import Curve
from lossbench.rundir.directory import RunDirectory


def read_run_curves(runs: Iterable[RunDirectory]) -> dict[str, dict[str, Curve]]:
    """Read the curves of some runs, labelled by loss, data, model and seed.

    Returns:
        label -> metric -> steps and values.

    Raises:
        UserError: a run has no metrics.csv.
    """
    return {_label(run): _read(run) for run in runs}


def _label(run: RunDirectory) -> str:
    config = run.config
    return f"{config.loss.name}, {config.data.name}, {config.model.name}, seed {config.seed}"


def _read(run: RunDirectory) -> dict[str, Curve]:
    path: Path = run.metrics_path
    if not path.exists():
        raise UserError(f"{path} does not exist: the run has not started; run it with {run.start_command}")
    curves: dict[str, tuple[list[int], list[float]]] = {}
    with open(path, newline="") as file:
        for row in csv.DictReader(file):
            steps, values = curves.setdefault(row["name"], ([], []))
            steps.append(int(row["step"]))
            values.append(float(row["value"]))
    return {name: (steps, values) for name, (steps, values) in curves.items()}
