"""How far a score may move with other test examples of the same kind, given the trained models."""

from collections.abc import Sequence

import numpy as np

from lossbench.report.arms import Arm
from lossbench.report.records import Record
from lossbench.report.right_answers import RightAnswers

Z95 = 1.96  # as in lossbench.metrics


def mean_half_width(runs: Sequence[Record], metric: str) -> float | None:
    """Half-width of the 95 % interval of a run's score, mean over the runs that recorded it; None where none did."""
    widths = [run.done_result.half_width_95.get(metric) for run in runs]
    known = [width for width in widths if width is not None]
    return float(np.mean(known)) if known else None


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
