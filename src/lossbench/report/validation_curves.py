"""The validation curves of an arm's runs: their mean, and how fast they reach a score."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from lossbench.plots.bands import Band
from lossbench.report.arms import Arm
from lossbench.report.records import Record
from lossbench.report.stats.convergence import area_under_curve, censored_median, first_reach
from lossbench.report.stats.summary import Summary, summarise, t_interval
from lossbench.rundir.reading import DamagedError, read_bytes, why


@dataclass(frozen=True)
class ValidationCurve:
    """One metric of one run.

    Args:
        steps: (k,) updates done, rising.
        values: (k,) the metric there.
        seconds_per_step: mean wall-clock time of an update with everything around it, s; nan where it is not known.
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
        n: how many runs have a curve.
        steps: median number of steps, runs that never reach it counted as censored at their end; None where half of
            them never do.
        seconds: the same in seconds of wall-clock time, in proportion to the steps; None also where a run's time is not
            known.
        area: mean height of the validation curves without NaN and infinities, in the metric's stored unit; None where
            there is none.
    """

    reached: int
    n: int
    steps: float | None
    seconds: float | None
    area: Summary | None


def read_curve(run: Record, metric: str) -> ValidationCurve | None:
    """Read one metric of metrics.csv; None where the run has not measured it, or only its results were copied.

    Raises:
        DamagedError: the file is damaged.
    """
    path = run.path / "metrics.csv"
    if not os.path.lexists(path):
        return None
    try:
        points = _points(read_bytes(path).decode(), metric)
    except (OSError, ValueError, OverflowError) as error:
        raise DamagedError(path, f"cannot be read ({why(error)})", "its run has no learning curve here") from error
    if not len(points):
        return None
    # The last row repeats an earlier one: the weights are validated again before the test.
    steps, first = np.unique(points[:, 0], return_index=True)
    updates = max(run.done_result.steps, 1)
    seconds_per_step = np.nan if run.seconds is None else run.seconds / updates
    return ValidationCurve(steps, points[first, 1], seconds_per_step)


def read_curves(arm: Arm, metric: str) -> tuple[list[ValidationCurve], list[str]]:
    """Read one metric of all runs of an arm that measured it.

    Returns:
        The curves, and of each damaged file what is wrong with it.
    """
    curves: list[ValidationCurve] = []
    damaged: list[str] = []
    for run in arm.runs.values():
        try:
            curve = read_curve(run, metric)
        except DamagedError as error:
            damaged.append(str(error))
        else:
            curves += [] if curve is None else [curve]
    return curves, damaged


def read_epochs(arm: Arm, metric: str) -> list[ValidationCurve]:
    """Read a metric of each epoch of all runs of an arm, counted from 1; epochs in which it is NaN are left out.

    Runs whose file is damaged are left out: what `read_curves` found has named them.
    """
    curves = [
        ValidationCurve(np.arange(1, len(curve.values) + 1), curve.values, np.nan)
        for curve in read_curves(arm, metric)[0]
    ]
    known = [np.isfinite(curve.values) for curve in curves]
    kept = [
        replace(curve, steps=curve.steps[at], values=curve.values[at]) for curve, at in zip(curves, known, strict=True)
    ]
    return [curve for curve in kept if len(curve.steps)]


def mean_curve(curves: Iterable[ValidationCurve]) -> Band | None:
    """Mean and 95 % interval over the finite curves at the steps that all of them have; None without such steps."""
    finite = [curve for curve in curves if curve.is_finite]
    if not finite:
        return None
    steps = finite[0].steps
    for curve in finite[1:]:
        steps = np.intersect1d(steps, curve.steps)
    if not len(steps):
        return None
    values = np.array([curve.values[np.isin(curve.steps, steps)] for curve in finite])
    if len(finite) == 1:
        empty = np.full(len(steps), np.nan)
        return Band(steps, values[0], empty, empty, 1)
    low, high = np.array([t_interval(column) for column in values.T]).T
    return Band(steps, values.mean(axis=0), low, high, len(finite))


def convergence(curves: Sequence[ValidationCurve], threshold: float, higher_is_better: bool) -> Convergence | None:
    """Measure when the runs of an arm reach a score.

    Args:
        curves: of the arm's runs.
        threshold: the score, stored unit.
        higher_is_better: whether reaching it means rising to it.

    Returns:
        Medians with censoring; None where there is no curve.
    """
    if not curves:
        return None
    sign = 1 if higher_is_better else -1
    reached = [first_reach(curve.steps, sign * curve.values, sign * threshold) for curve in curves]
    hit = np.array([step is not None for step in reached])
    steps = np.array([_end(curve) if step is None else step for step, curve in zip(reached, curves, strict=True)])
    median = censored_median(steps, hit)
    # Fast machines end sooner: in seconds alone one run that gets there last would make a median of a minority.
    seconds = _median_seconds(steps, hit, curves) if median is not None else None
    return Convergence(int(hit.sum()), len(curves), median, seconds, _area(curves))


def _points(text: str, metric: str) -> np.ndarray:
    """(k, 2) step and value of one metric, in the order of the file."""
    lines = text.splitlines()[1:]
    if not text.endswith("\n") or not lines or ",test/" not in lines[-1]:
        raise ValueError("its end is missing")  # with half a curve a run would seem never to get anywhere
    rows = (line.split(",") for line in lines if f",{metric}," in line)
    points = np.array([(step, value) for step, _, _, value in rows], dtype=float).reshape(-1, 2)
    if not np.isfinite(points[:, 0]).all():
        raise ValueError("a step is not a number")
    return points


def _end(curve: ValidationCurve) -> float:
    return float(curve.steps[-1])


def _median_seconds(steps: np.ndarray, hit: np.ndarray, curves: Sequence[ValidationCurve]) -> float | None:
    """Median time; None where a run's time is not known."""
    seconds = steps * np.array([curve.seconds_per_step for curve in curves])
    return censored_median(seconds, hit) if np.isfinite(seconds).all() else None


def _area(curves: Sequence[ValidationCurve]) -> Summary | None:
    areas = [area_under_curve(curve.steps, curve.values) for curve in curves if curve.is_finite]
    return summarise(np.array(areas)) if areas else None
