"""What validation said while the runs of an arm were training."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lossbench.errors import UserError
from lossbench.plots.bands import Band
from lossbench.report.arms import Arm
from lossbench.report.records import Record
from lossbench.report.stats.convergence import area_under_curve, censored_median, first_reach
from lossbench.report.stats.summary import Summary, summarise, t_interval


@dataclass(frozen=True)
class History:
    """One metric of one run.

    Args:
        steps: (k,) updates done, rising.
        values: (k,) the metric there.
        seconds_per_step: mean wall-clock time of an update with everything around it, s.
    """

    steps: np.ndarray
    values: np.ndarray
    seconds_per_step: float

    @property
    def is_finite(self) -> bool:
        """Whether no value is NaN or infinite."""
        return bool(np.isfinite(self.values).all())


@dataclass(frozen=True)
class Convergence:
    """How fast the runs of an arm reach a score.

    Args:
        reached: how many runs reach it.
        n: how many runs have a history.
        steps: median number of steps, runs that never reach it counted as censored at their end; None where half of them never do.
        seconds: the same in seconds of wall-clock time, in proportion to the steps; None also where a run's time is not known.
        area: mean height of the validation curves without NaN and infinities, in the metric's stored unit; None where there is none.
    """

    reached: int
    n: int
    steps: float | None
    seconds: float | None
    area: Summary | None


def read_metric(run: Record, name: str) -> History | None:
    """Read one metric of metrics.csv; None where the run has not measured it, or only its results were copied.

    Raises:
        UserError: the file is damaged.
    """
    path = run.path / "metrics.csv"
    if not path.exists():
        return None
    try:
        text = path.read_text()
        lines = text.splitlines()[1:]
        if not text.endswith("\n") or ",test/" not in "".join(
            lines[-1:]
        ):  # with half a curve a run would seem never to get anywhere
            raise ValueError("its end is missing")
        found = [line.split(",") for line in lines if f",{name}," in line]
        table = np.array([(step, value) for step, _, _, value in found], dtype=float).reshape(-1, 2)
        if not np.isfinite(table[:, 0]).all():
            raise ValueError("a step is not a number")
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path} cannot be read ({error}); the learning curves need it: restore it, or leave that run out"
        ) from error
    if not len(table):
        return None
    # The last row repeats what is known: the weights are validated again before the test.
    steps, first = np.unique(table[:, 0], return_index=True)
    result = run.result or {}
    seconds = run.seconds
    return History(
        steps, table[first, 1], np.nan if seconds is None else seconds / max(int(result.get("steps") or 1), 1)
    )


def histories(arm: Arm, name: str) -> list[History]:
    """Read one metric of all runs of an arm that measured it."""
    read = (read_metric(run, name) for run in arm.runs.values())
    return [history for history in read if history is not None]


def band(found: Sequence[History]) -> Band | None:
    """Mean and 95 % interval over the runs, at the steps that all of them measured; None where they have none in common."""
    finite = [history for history in found if history.is_finite]
    if not finite:
        return None
    steps = np.array(sorted(set.intersection(*(set(history.steps.tolist()) for history in finite))))
    if not len(steps):
        return None
    values = np.array([history.values[np.isin(history.steps, steps)] for history in finite])
    if len(finite) == 1:
        empty = np.full(len(steps), np.nan)
        return Band(steps, values[0], empty, empty, 1)
    low, high = np.array([t_interval(column) for column in values.T]).T
    return Band(steps, values.mean(axis=0), low, high, len(finite))


def convergence(found: Sequence[History], threshold: float, higher_is_better: bool) -> Convergence | None:
    """Say when the runs reach a score.

    Args:
        found: the histories of an arm.
        threshold: the score, stored unit.
        higher_is_better: whether reaching it means rising to it.

    Returns:
        Medians with censoring; None where there is no history.
    """
    if not found:
        return None
    sign = 1 if higher_is_better else -1
    reached = [first_reach(history.steps, sign * history.values, sign * threshold) for history in found]
    hit = np.array([step is not None for step in reached])
    steps = np.array(
        [history.steps[-1] if step is None else step for step, history in zip(reached, found, strict=True)]
    )
    seconds = steps * np.array([history.seconds_per_step for history in found])
    median = censored_median(steps, hit)
    # Fast machines end sooner: in seconds alone one run that gets there last would make a median of a minority.
    time = censored_median(seconds, hit) if median is not None and np.isfinite(seconds).all() else None
    areas = np.array([area_under_curve(history.steps, history.values) for history in found if history.is_finite])
    return Convergence(int(hit.sum()), len(found), median, time, summarise(areas) if len(areas) else None)
