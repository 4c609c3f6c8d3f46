"""The trend of each line: how its difference from the baseline changes over the doses, and where it changes sign."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from lossbench.report.compared import Compared
from lossbench.report.comparison import Comparison
from lossbench.report.doses.asked import Asked
from lossbench.report.doses.axis import Axis
from lossbench.report.doses.lines import Line
from lossbench.report.looks import SHOWN
from lossbench.report.outcomes import Outcomes
from lossbench.report.stats.contrast import contrast, shared_units, trend_weights
from lossbench.report.stats.crossing import Crossing, find_crossings
from lossbench.report.stats.differences import Differences


@dataclass(frozen=True)
class Trends:
    """What was found of the lines beside the baseline.

    Args:
        compared: first digits of the trend's hash -> the contrast over the doses, to be judged with all others.
        untold: label -> why a line has no trend.
        crossings: label -> where its mean crosses that of the baseline, on the axis.
    """

    compared: Mapping[str, Compared] = field(default_factory=dict[str, Compared])
    untold: Mapping[str, str] = field(default_factory=dict[str, str])
    crossings: Mapping[str, Sequence[Crossing]] = field(default_factory=dict[str, Sequence[Crossing]])


def find_trends(
    asked: Asked,
    places: Mapping[float, float],
    comparisons: Mapping[float, Comparison],
    outcomes: Outcomes,
    test_per_train: float | None,
) -> Trends:
    """Find the trend of every line but the baseline.

    The trend is the change of the difference from the first to the last dose, along the line fitted to all doses by
    least squares, of ratios on a logarithmic axis.

    Args:
        asked: of all lines, with a baseline.
        places: dose -> place on the axis, rising.
        comparisons: dose -> comparison, without verdicts.
        outcomes: of all arms.
        test_per_train: the largest number of test examples for each training example.
    """
    compared: dict[str, Compared] = {}
    untold: dict[str, str] = {}
    crossings: dict[str, Sequence[Crossing]] = {}
    first, baseline, axis = next(iter(comparisons.values())), asked.baseline, asked.axis
    assert baseline is not None
    for line in asked.lines:
        if line is baseline:
            continue
        differences = _differences(line, baseline, outcomes, first.sign)
        if reason := _no_trend(differences, places, axis, first.kind):
            untold[line.label] = reason
            continue
        x = scaled(axis, [places[dose] for dose in differences])
        compared[line.trend[:SHOWN]] = _trend(line, baseline, x, differences, comparisons, outcomes)
        found = find_crossings(x, [*differences.values()], first.design, test_per_train)
        crossings[line.label] = [_unscaled(axis, each) for each in found]
    return Trends(compared, untold, crossings)


def scaled(axis: Axis, places: Sequence[float]) -> np.ndarray:
    """Places on the scale on which lines are straight."""
    return np.log(places) if axis.log else np.array(places, dtype=float)


def _unscaled(axis: Axis, found: Crossing) -> Crossing:
    if not axis.log:
        return found
    at, low, high = (float(np.exp(value)) for value in (found.at, found.low, found.high))
    return Crossing(at, low if low > 0 else -np.inf, high, found.rises)


def _differences(line: Line, baseline: Line, outcomes: Outcomes, sign: int) -> dict[float, Differences]:
    """Dose -> differences, where both lines share a unit."""
    shared = {dose: (arm, baseline.arms[dose]) for dose, arm in line.arms.items() if dose in baseline.arms}
    return {dose: outcomes.differences(*pair, sign) for dose, pair in shared.items() if outcomes.units(*pair)}


def _no_trend(
    differences: Mapping[float, Differences], places: Mapping[float, float], axis: Axis, kind: str
) -> str | None:
    """Why a line has no trend; None where it has one."""
    if lacking := [axis.at(dose) for dose in places if dose not in differences]:
        return f"it is not compared at {', '.join(lacking)}"
    if len(set(places.values())) < 2:  # images_per_class=32,all of data with 32 in each class
        return f"{' and '.join(axis.at(dose) for dose in places)} are the same"
    found = [*differences.values()]
    units = shared_units(found)
    if not len(units):
        return f"it has no {kind} that all doses share"
    if not _have_same_examples(found, units):
        return "it was not tested on the same examples at every dose"
    return None


def _have_same_examples(differences: Sequence[Differences], units: np.ndarray) -> bool:
    """Whether each unit was tested on the same examples at every dose, as far as they are known."""
    tested = [
        np.isnan(one.examples[np.searchsorted(one.units, units)]) for one in differences if one.examples is not None
    ]
    return all(np.array_equal(tested[0], each) for each in tested[1:])


def _trend(
    line: Line,
    baseline: Line,
    x: np.ndarray,
    differences: Mapping[float, Differences],
    comparisons: Mapping[float, Comparison],
    outcomes: Outcomes,
) -> Compared:
    weights = trend_weights(x)
    total = contrast(weights, [*differences.values()])
    assert total is not None  # `_no_trend` has seen to it
    scores = {
        unit: (_sum(weights, line, unit, outcomes), _sum(weights, baseline, unit, outcomes))
        for unit in total.units.tolist()
    }
    lost = {unit for dose, arm in line.arms.items() for unit in _lost(arm.label, comparisons[dose])}
    return Compared(line.label, total, scores, len(lost & {*scores}))


def _sum(weights: np.ndarray, line: Line, unit: int, outcomes: Outcomes) -> float:
    return float(sum(c * outcomes.scores[arm.digest][unit] for c, arm in zip(weights, line.arms.values(), strict=True)))


def _lost(label: str, comparison: Comparison) -> set[int]:
    return {*comparison.diverged.get(label, ()), *comparison.collapsed.get(label, ())}
