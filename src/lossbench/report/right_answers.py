"""Which test examples the runs of a report get right, each run's predictions read once."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lossbench.report.examples import Outputs, read_outputs
from lossbench.report.records import Record
from lossbench.rundir.reading import DamagedError

WITHOUT = "the half-widths from the test set of its setting are left out"
PAIRED_BY_EXAMPLE = ("test/accuracy", "test/error_rate")
"""Metrics that are decided by which examples are right."""


class Correctness(NamedTuple):
    """Which test examples a run got right: (n,) bool, and (n,) their ids."""

    correct: np.ndarray
    ids: list[str]


class RightAnswers:
    """Which test examples runs got right; what has been kept of a run is not read again."""

    def __init__(self) -> None:
        self._found: dict[Path, Correctness | None] = {}
        self._names: dict[tuple[str, bytes], list[str]] = {}
        self._often: set[Path] = set()

    def of(self, run: Record) -> Correctness | None:
        """None where the run saved no predictions.

        Raises:
            DamagedError: predictions.npz is damaged.
        """
        if run.path in self._found:
            return self._found[run.path]
        outputs = read_outputs(run, "test", WITHOUT)
        found = None if outputs is None else self._correctness(run, outputs)
        if run.path in self._often:
            self._found[run.path] = found
        return found

    def keep(self, runs: Iterable[Record]) -> None:
        """Keep what will be read of these runs: a baseline's are asked for by every arm."""
        self._often.update(run.path for run in runs)

    def add(self, run: Record, outputs: Outputs) -> None:
        """Keep the answers of a run whose outputs on the test split have been read."""
        try:
            self._found[run.path] = self._correctness(run, outputs)
        except DamagedError:  # `of` says so
            return

    def _correctness(self, run: Record, outputs: Outputs) -> Correctness:
        """Which of its outputs are right.

        Raises:
            DamagedError: they are not those of classes.
        """
        shapes = outputs.outputs.shape, outputs.targets.shape
        if shapes[0] == shapes[1] and len(shapes[0]) == 2:  # several labels of each example
            correct = ((outputs.outputs > 0) == (outputs.targets > 0)).all(axis=1)
        elif [*map(len, shapes)] == [2, 1]:
            correct = outputs.outputs.argmax(axis=1) == outputs.targets
        else:
            reason = f"its test arrays are not those of classes: outputs {shapes[0]}, targets {shapes[1]}"
            raise DamagedError(run.path / "predictions.npz", f"cannot be read ({reason})", WITHOUT)
        return Correctness(correct, self._shared(outputs.ids))

    def _shared(self, ids: np.ndarray) -> list[str]:
        """The names of the examples, one list for all runs on the same ones."""
        key = ids.dtype.str, ids.tobytes()
        return self._names[key] if key in self._names else self._names.setdefault(key, ids.tolist())
