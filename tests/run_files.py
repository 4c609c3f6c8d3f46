"""What runs left on disk, read back and compared."""

import csv
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from lossbench.rundir.directory import RunDirectory
from lossbench.rundir.result import Result


def result_of(run: RunDirectory) -> Result:
    """What a done run has found."""
    result = run.result()
    assert result is not None
    return result


def rows(run: RunDirectory, name: str) -> list[tuple[int, float]]:
    """(step, value) of one name in metrics.csv."""
    with open(run.metrics_path, newline="") as file:
        return [(int(row["step"]), float(row["value"])) for row in csv.DictReader(file) if row["name"] == name]


def steady(run: RunDirectory) -> list[str]:
    """metrics.csv without the clock's rows."""
    return [line for line in run.metrics_path.read_text().splitlines() if "steps_per_second" not in line]


def weights(run: RunDirectory, name: str = "last") -> dict[str, Tensor]:
    return torch.load(run.checkpoint(name), weights_only=True)["state_dict"]


def arrays(run: RunDirectory) -> dict[str, np.ndarray]:
    with np.load(run.predictions_path, allow_pickle=False) as file:
        return dict(file)


def same(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> bool:
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


def final_state(run: RunDirectory) -> tuple[dict[str, torch.Tensor], list[str], Mapping[str, float | None]]:
    """Weights, history (without the clock's rows) and metrics."""
    weights = torch.load(run.checkpoint("last"), weights_only=True)["state_dict"]
    rows = [row for row in run.metrics_path.read_text().splitlines() if "steps_per_second" not in row]
    return weights, rows, result_of(run).metrics


def assert_same(ours: RunDirectory, theirs: RunDirectory) -> None:
    """Bit for bit."""
    (w1, rows1, m1), (w2, rows2, m2) = final_state(ours), final_state(theirs)
    assert w1.keys() == w2.keys()
    assert all(torch.equal(w1[name], w2[name]) for name in w1)
    assert rows1 == rows2
    assert m1 == m2
