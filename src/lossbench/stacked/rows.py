"""The histories of stacked runs: what each step measured of all of them, written as each run's own metrics.csv."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor


class Row(NamedTuple):
    """One step's numbers of all runs of one kind.

    Args:
        step: updates done (train/*: before this one).
        epoch: counts from 0.
        runs: the runs it is about, first and last + 1.
        names: of the columns.
        values: (last + 1 - first, columns) float64.
    """

    step: int
    epoch: int
    runs: tuple[int, int]
    names: tuple[str, ...]
    values: Tensor


class Rows:
    """Collect rows, in order."""

    def __init__(self) -> None:
        self.rows: list[Row] = []

    def add(self, step: int, epoch: int, values: Mapping[str, Tensor | float], first: int, last: int) -> None:
        """Add numbers of the runs first..last - 1: (last - first,) each, or one for all."""
        count = last - first
        columns = [torch.as_tensor(value, dtype=torch.float64).detach().cpu().expand(count) for value in values.values()]
        self.rows.append(Row(step, epoch, (first, last), tuple(values), torch.stack(columns, dim=1)))

    def of(self, k: int) -> Sequence[tuple[int, int, tuple[str, ...], list[float]]]:
        """The rows of one run: step, epoch, names, values."""
        return [
            (row.step, row.epoch, row.names, row.values[k - row.runs[0]].tolist()) for row in self.rows if row.runs[0] <= k < row.runs[1]
        ]

    def state_dict(self) -> list[Any]:
        """Plain containers and tensors."""
        return [list(row) for row in self.rows]

    def load_state_dict(self, state: Sequence[Sequence[Any]], chosen: Sequence[int]) -> None:
        """Take the rows of the chosen runs; rows of one kind are about neighbours, and chosen runs stay neighbours."""
        self.rows = []
        for step, epoch, (first, last), names, values in state:
            mine = [place for place, k in enumerate(chosen) if first <= k < last]
            if mine:
                index = torch.tensor([chosen[place] - first for place in mine])
                self.rows.append(Row(step, epoch, (mine[0], mine[-1] + 1), tuple(names), values[index]))
