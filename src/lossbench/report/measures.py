"""Measures of an arm beside its scores: calibration, cost, convergence, uncertainty from the test examples."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from lossbench.plots.bands import Band
from lossbench.report.arms import Arm
from lossbench.report.comparison import Comparison
from lossbench.report.right_answers import PAIRED_BY_EXAMPLE
from lossbench.report.stats.summary import Summary, summarise
from lossbench.report.test_set_width import difference_half_width, mean_half_width
from lossbench.report.validation_curves import (
    Convergence,
    ValidationCurve,
    convergence,
    mean_curve,
    read_curves,
    read_epochs,
)
from lossbench.rundir.last_and_best import FITTED
from lossbench.rundir.reading import DamagedError

FRACTION = 0.95  # of the baseline's last validation score (of its gain, for losses): what counts as reached
CALIBRATION = ("test/ece", "test/ece_scaled", "test/nll", "test/nll_scaled")


@dataclass(frozen=True)
class Measures:
    """Measures of one arm; a metric that its runs lack is missing.

    Args:
        calibration: metric -> summary: ece and nll, raw and after temperature scaling fitted on validation data.
        seconds: wall-clock time of a run, s.
        memory: peak memory of the process, MB.
        band: learning curve of the monitored metric.
        fitted: share of labels, such as fitted_flipped -> its curve over epochs, where labels were made wrong.
        convergence: how fast its runs reach FRACTION of the baseline's score.
        run_half_width: half-width of the 95 % interval of a run's score from its test examples, mean over runs, stored
            unit.
        difference_half_width: the same of the mean difference from the baseline; None without saved predictions.
    """

    calibration: Mapping[str, Summary]
    seconds: Summary | None
    memory: Summary | None
    band: Band | None
    fitted: Mapping[str, Band]
    convergence: Convergence | None
    run_half_width: float | None
    difference_half_width: float | None


class Measured(NamedTuple):
    """What was measured of all arms.

    Args:
        of_arm: label -> measures.
        threshold: the validation score whose reaching is timed; None without a baseline or its curves.
        damaged: files that could not be read, each with the reason and what is missing therefore.
    """

    of_arm: Mapping[str, Measures]
    threshold: float | None
    damaged: Sequence[str]


def measure_arms(comparison: Comparison) -> Measured:
    """Measure all arms; a damaged file takes the measure that needs it, and no more."""
    curves: dict[str, list[ValidationCurve]] = {}
    damaged: list[str] = []
    for arm in comparison.arms:
        curves[arm.label], unreadable = read_curves(arm, comparison.monitored)
        damaged += unreadable
    threshold, widths = None, dict[str, float | None]()
    if comparison.baseline is not None:
        threshold = _threshold(curves[comparison.baseline.label], comparison.unit.higher_is_better)
        widths = _difference_half_widths(comparison, comparison.baseline, damaged)
    found = {
        arm.label: _measure(arm, comparison, curves[arm.label], threshold, widths.get(arm.label))
        for arm in comparison.arms
    }
    return Measured(found, threshold, list(dict.fromkeys(damaged)))


def _measure(
    arm: Arm, comparison: Comparison, curves: Sequence[ValidationCurve], threshold: float | None, width: float | None
) -> Measures:
    runs = list(arm.runs.values())
    values = {name: arm.values(name) for name in CALIBRATION}
    return Measures(
        calibration={name: summarise(found) for name, found in values.items() if len(found)},
        seconds=_summary(run.seconds for run in runs),
        memory=_summary(run.done_result.peak_memory_mb for run in runs),
        band=mean_curve(curves),
        fitted=_fitted(arm),
        convergence=None if threshold is None else convergence(curves, threshold, comparison.unit.higher_is_better),
        run_half_width=mean_half_width(runs, comparison.metric),
        difference_half_width=width,
    )


def _fitted(arm: Arm) -> dict[str, Band]:
    if not any("memorisation" in run.done_result.facts for run in arm.runs.values()):
        return {}
    found = {name.removeprefix("train/"): mean_curve(read_epochs(arm, name)) for name in FITTED}
    return {name: band for name, band in found.items() if band is not None}


def _summary(values: Iterable[float | None]) -> Summary | None:
    known = [value for value in values if value is not None]
    return summarise(np.array(known, dtype=float)) if known else None


def _threshold(curves: Sequence[ValidationCurve], higher_is_better: bool) -> float | None:
    """FRACTION of the baseline's last score; of a metric that falls, the level after FRACTION of the fall."""
    finite = [curve.values for curve in curves if curve.is_finite]
    if not finite:
        return None
    last = float(np.mean([values[-1] for values in finite]))
    if higher_is_better:
        return FRACTION * last
    first = float(np.mean([values[0] for values in finite]))
    return first - FRACTION * (first - last)


def _done_units(arm: Arm, baseline: Arm) -> list[int]:
    return [unit for unit in arm.runs if unit in baseline.runs]


def _difference_half_widths(comparison: Comparison, baseline: Arm, damaged: list[str]) -> dict[str, float | None]:
    """Label -> half-width of the mean difference from the baseline, whose predictions are read once."""
    if comparison.metric not in PAIRED_BY_EXAMPLE:
        return {}
    answers, found = comparison.answers, dict[str, float | None]()
    answers.keep(baseline.runs.values())
    for arm in comparison.arms:
        if arm is baseline:
            continue
        try:
            found[arm.label] = difference_half_width(arm, baseline, _done_units(arm, baseline), answers)
        except DamagedError as error:
            damaged.append(str(error))
    return found
