"""The logged rows of stacked runs, collected together and written as each run's own metrics.csv."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from lossbench.rundir.history import line_start


class StackedRow(NamedTuple):
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


class RowBlock(NamedTuple):
    """All numbers of neighbouring runs that have the same ones.

    Args:
        runs: first and last + 1.
        rows: step, epoch and names of each row.
        values: (runs, numbers) float64, those of the rows side by side.
    """

    runs: tuple[int, int]
    rows: Sequence[tuple[int, int, tuple[str, ...]]]
    values: np.ndarray

    def csv(self) -> Iterator[str]:
        """The lines of metrics.csv, for each run."""
        starts = [line_start(step, epoch, name) for step, epoch, names in self.rows for name in names]
        return (
            "".join(f"{start}{value!r}\n" for start, value in zip(starts, values.tolist(), strict=True))
            for values in self.values
        )


class StackedRows:
    """Collect rows, in order."""

    def __init__(self) -> None:
        self.rows: list[StackedRow] = []

    def add(self, step: int, epoch: int, values: Mapping[str, Tensor | float], first: int, last: int) -> None:
        """Add numbers of the runs first..last - 1: (last - first,) each, or one for all."""
        count = last - first
        columns = [
            torch.as_tensor(value, dtype=torch.float64).detach().cpu().expand(count) for value in values.values()
        ]
        self.rows.append(StackedRow(step, epoch, (first, last), tuple(values), torch.stack(columns, dim=1)))

    def blocks(self) -> list[RowBlock]:
        """The numbers of all runs, neighbours with the same ones together."""
        ends = sorted({end for row in self.rows for end in row.runs})
        found = []
        for first, last in pairwise(ends):
            rows = [row for row in self.rows if row.runs[0] <= first < row.runs[1]]
            values = torch.cat([row.values[first - row.runs[0] : last - row.runs[0]] for row in rows], dim=1)
            found.append(RowBlock((first, last), [(row.step, row.epoch, row.names) for row in rows], values.numpy()))
        return found

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
                self.rows.append(StackedRow(step, epoch, (mine[0], mine[-1] + 1), tuple(names), values[index]))
