"""The logged rows of stacked runs, collected together and written as each run's own metrics.csv."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from lossbench.rundir.history import line_start
from lossbench.rundir.last_and_best import Row

ALL = slice(None)


class StackedRow(NamedTuple):
    """One step's numbers of all runs of one kind.

    Args:
        step: updates done (train/*: before this one).
        epoch: counts from 0.
        runs: the runs it is about, first and last + 1.
        names: of the columns.
        values: (last + 1 - first, columns) float64; nan of a run among them that has ended before.
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
        """The lines of metrics.csv, for each run; numbers that all runs have are written once."""
        bits = self.values.view(np.int64)  # -0.0 is not 0.0 there
        same = (bits == bits[:1]).all(axis=0)
        starts = (
            line_start(step, epoch, name).replace("%", "%%") for step, epoch, names in self.rows for name in names
        )
        first = self.values[0].tolist()
        lines = [
            f"{start}{value!r}\n" if is_same else f"{start}%r\n"
            for start, value, is_same in zip(starts, first, same.tolist(), strict=True)
        ]
        form = "".join(lines)
        return (form % tuple(values.tolist()) for values in self.values[:, ~same])

    def rows_of(self, wanted: Collection[str]) -> Iterator[dict[str, list[Row]]]:
        """The values of some names, in order, for each run."""
        places = dict[str, list[tuple[int, int, int]]]()
        columns = ((step, epoch, name) for step, epoch, names in self.rows for name in names)
        for place, (step, epoch, name) in enumerate(columns):
            if name in wanted:
                places.setdefault(name, []).append((step, epoch, place))
        for values in self.values:
            yield {
                name: [Row(step, epoch, float(values[place])) for step, epoch, place in found]
                for name, found in places.items()
            }


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

    def add_of(
        self, runs: Tensor, step: int, epoch: int, values: Mapping[str, Tensor | float], part: slice = ALL
    ) -> None:
        """Add numbers of those of some runs that still train.

        Args:
            runs: the places of those that train, (P,), in order.
            step: updates done.
            epoch: counts from 0.
            values: of a part of them, (p,) each, or one for all.
            part: their neighbours that these numbers are about.
        """
        places = runs[part]
        first, last = int(places[0]), int(places[-1]) + 1
        if last - first == len(places):
            self.add(step, epoch, values, first, last)
            return
        spread = {name: torch.full((last - first,), torch.nan, dtype=torch.float64) for name in values}
        for name, value in values.items():
            spread[name][places - first] = torch.as_tensor(value, dtype=torch.float64).detach().cpu()
        self.add(step, epoch, spread, first, last)

    def blocks(self, epochs: Sequence[int]) -> list[RowBlock]:
        """The numbers of all runs, neighbours with the same ones together.

        Args:
            epochs: of each run: its rows end with the last one.
        """
        changes = (k for k in range(1, len(epochs)) if epochs[k] != epochs[k - 1])
        ends = sorted({*changes, *(end for row in self.rows for end in row.runs)})
        return [self._block(first, last, epochs[first]) for first, last in pairwise(ends)]

    def _block(self, first: int, last: int, epochs: int) -> RowBlock:
        """The rows of the runs first..last - 1, which have the same ones."""
        about = (row for row in self.rows if row.runs[0] <= first < row.runs[1])
        rows = [row for row in about if row.epoch < epochs]
        values = torch.cat([row.values[first - row.runs[0] : last - row.runs[0]] for row in rows], dim=1)
        return RowBlock((first, last), [(row.step, row.epoch, row.names) for row in rows], values.numpy())

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
