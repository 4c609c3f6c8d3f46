"""How far a score may move with other test examples of the same kind, given the trained models."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lossbench.report.arms import Arm
from lossbench.report.examples import read_outputs
from lossbench.report.records import Record
from lossbench.rundir.reading import DamagedError

Z95 = 1.96  # as in lossbench.metrics
WITHOUT = "the half-widths from the test set of its setting are left out"


class Correctness(NamedTuple):
    """Which test examples a run got right: (n,) bool, and (n,) their ids."""

    correct: np.ndarray
    ids: list[str]


def mean_half_width(runs: Sequence[Record], metric: str) -> float | None:
    """Half-width of the 95 % interval of a run's score, mean over the runs that recorded it; None where none did."""
    widths = [run.done_result.half_width_95.get(metric) for run in runs]
    known = [width for width in widths if width is not None]
    return float(np.mean(known)) if known else None


class RightAnswers:
    """Which test examples runs got right. A run that is asked for again is not read again: a baseline is, by every arm.

    Args:
        kept: the arm whose runs are kept.
    """

    def __init__(self, kept: Arm) -> None:
        self._kept = {run.path for run in kept.runs.values()}
        self._read: dict[Path, Correctness | None] = {}

    def of(self, run: Record) -> Correctness | None:
        """None where the run saved no predictions.

        Raises:
            DamagedError: predictions.npz is damaged.
        """
        if run.path not in self._kept:
            return _correctness(run)
        if run.path not in self._read:
            self._read[run.path] = _correctness(run)
        return self._read[run.path]


def difference_half_width(ours: Arm, theirs: Arm, seeds: Sequence[int], tested: RightAnswers) -> float | None:
    """Half-width of the 95 % interval of the mean difference in accuracy.

    1.96 sd(d) / sqrt(n), with d the difference in correctness of each of the n test examples, mean over the seeds

    Args:
        ours: an arm.
        theirs: the arm that it is compared with.
        seeds: that both have.
        tested: reads their predictions.

    Returns:
        A fraction; None without seeds, without saved predictions of the same examples in all runs, or with one example.

    Raises:
        DamagedError: a predictions.npz is damaged.
    """
    differences: list[np.ndarray] = []
    ids: list[str] | None = None
    for seed in seeds:
        pair = tested.of(ours.runs[seed]), tested.of(theirs.runs[seed])
        if pair[0] is None or pair[1] is None:
            return None
        ids = ids or pair[0].ids
        if not pair[0].ids == pair[1].ids == ids:
            return None
        differences.append(pair[0].correct.astype(float) - pair[1].correct)
    if not differences or len(differences[0]) < 2:
        return None
    mean = np.sum(differences, axis=0) / len(differences)
    return float(Z95 * mean.std(ddof=1) / np.sqrt(len(mean)))


def _correctness(run: Record) -> Correctness | None:
    """None where the run saved no predictions.

    Raises:
        DamagedError: predictions.npz is damaged.
    """
    outputs = read_outputs(run, "test", WITHOUT)
    if outputs is None:
        return None
    shapes = outputs.outputs.shape, outputs.targets.shape
    if shapes[0] == shapes[1] and len(shapes[0]) == 2:  # several labels of each example
        return Correctness(((outputs.outputs > 0) == (outputs.targets > 0)).all(axis=1), outputs.ids.tolist())
    if [*map(len, shapes)] != [2, 1]:
        reason = f"its test arrays are not those of classes: outputs {shapes[0]}, targets {shapes[1]}"
        raise DamagedError(run.path / "predictions.npz", f"cannot be read ({reason})", WITHOUT)
    return Correctness(outputs.outputs.argmax(axis=1) == outputs.targets, outputs.ids.tolist())
