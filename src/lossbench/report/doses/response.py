"""The losses of a sweep over a number of the data: compared at each dose, with the trend of each, as one family."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from lossbench.report.comparable import require_comparable_at_each_dose
from lossbench.report.compare import with_missing
from lossbench.report.comparison import Comparison
from lossbench.report.doses.asked import Asked, ask
from lossbench.report.doses.axis import Axis, axis_of
from lossbench.report.doses.judged import Judgement, judge_response
from lossbench.report.doses.lines import Line
from lossbench.report.doses.trends import Trends, find_trends
from lossbench.report.findings import Findings
from lossbench.report.measures import measure_arms
from lossbench.report.outcomes import Outcomes
from lossbench.report.pairing import test_per_train
from lossbench.report.records import Record, split_done
from lossbench.report.scored import beside, compare_scores, outcomes_of
from lossbench.report.spec import ComparisonSpec
from lossbench.report.stats.crossing import Crossing
from lossbench.report.stats.verdict import PairedComparison


@dataclass(frozen=True)
class DoseResponse:
    """What a report over doses is made from.

    Args:
        axis: the number of the data that was varied.
        places: dose -> place on the axis, rising.
        lines: the baseline first, then from the best mean to the worst.
        baseline: the line that the others are compared with; None where the runs have none.
        findings: dose -> comparison at this dose, judged with all others, and the measures of its arms.
        trends: label -> change of its difference from the baseline from the first to the last dose, along a fitted
            line.
        standing: label -> units and look with which an earlier report found its trend, where these runs would not.
        untold: label -> why it has no trend.
        crossings: label -> where its mean crosses that of the baseline.
        missing: runs without a result.
    """

    axis: Axis
    places: Mapping[float, float]
    lines: Sequence[Line]
    baseline: Line | None
    findings: Mapping[float, Findings]
    trends: Mapping[str, PairedComparison]
    standing: Mapping[str, tuple[int, int]]
    untold: Mapping[str, str]
    crossings: Mapping[str, Sequence[Crossing]]
    missing: Sequence[Record]

    @property
    def comparisons(self) -> dict[float, Comparison]:
        """Dose -> comparison."""
        return {dose: found.comparison for dose, found in self.findings.items()}

    @property
    def first(self) -> Comparison:
        """The comparison at the first dose; metric, unit, margin, kind and design are those of all."""
        return next(iter(self.comparisons.values()))

    @property
    def others(self) -> list[Line]:
        """All lines but the baseline."""
        return [line for line in self.lines if line is not self.baseline]

    def pairs(self, label: str) -> dict[float, PairedComparison]:
        """Dose -> a line beside the baseline, where it was compared."""
        return {dose: found.paired[label] for dose, found in self.comparisons.items() if label in found.paired}


def find_response(records: Sequence[Record], spec: ComparisonSpec) -> DoseResponse:
    """Compare losses at several doses; the look at them is recorded beside the baseline's runs.

    Args:
        records: runs that are done at several doses of one axis, and others of the same sweep without a result.
        spec: the baseline, the metric and the margin.

    Raises:
        UserError: the runs cannot be compared, or the metric or the baseline does not exist.
    """
    done, missing = split_done(records)
    axis = axis_of(done)
    assert axis is not None
    require_comparable_at_each_dose(done)
    asked = ask(axis, done, missing, spec)
    extras = {dose: asked.beyond(dose) for dose in asked.doses}
    outcomes = outcomes_of([*asked.arms, *(arm for arms in extras.values() for arm in arms)], asked.metric)
    comparisons = {dose: _compare(dose, asked, outcomes, missing) for dose in asked.doses}
    places = {dose: axis.place(dose, found.runs) for dose, found in comparisons.items()}
    judged, trends = Judgement(comparisons), Trends()
    if asked.baseline is not None:
        trends = find_trends(asked, places, comparisons, outcomes, _most_tested(comparisons))
        judged = judge_response(asked.baseline, comparisons, extras, trends, outcomes)
    return DoseResponse(
        axis=axis,
        places=places,
        lines=_ordered(asked, comparisons),
        baseline=asked.baseline,
        findings={dose: _measured(found, missing) for dose, found in judged.comparisons.items()},
        trends=judged.trends,
        standing=judged.standing,
        untold=trends.untold,
        crossings=trends.crossings,
        missing=missing,
    )


def _compare(dose: float, asked: Asked, outcomes: Outcomes, missing: Sequence[Record]) -> Comparison:
    """Compare the scores at a dose, without verdicts."""
    found = with_missing(compare_scores(asked.at(dose), asked.metric, asked.margin, outcomes), missing)
    found = replace(
        found,
        frozen=asked.frozen,
        copies=asked.copies,
        chosen=asked.chosen,
        instead=asked.instead,
        provisional=asked.provisional,
    )
    baseline = None if asked.baseline is None else asked.baseline.arms.get(dose)
    return found if baseline is None else beside(found, baseline, outcomes)


def _most_tested(comparisons: Mapping[float, Comparison]) -> float | None:
    """The largest number of test examples for each training example; None where that is not recorded."""
    ratios = [test_per_train(found, ()) for found in comparisons.values()]
    return max((ratio for ratio in ratios if ratio is not None), default=None)


def _ordered(asked: Asked, comparisons: Mapping[float, Comparison]) -> list[Line]:
    """The baseline first, then from the best mean over its doses to the worst."""
    sign = next(iter(comparisons.values())).sign
    means = {
        line.label: float(np.mean([comparisons[dose].summaries[line.label].mean for dose in line.arms]))
        for line in asked.lines
    }
    return sorted(asked.lines, key=lambda line: (line is not asked.baseline, -sign * means[line.label], line.label))


def _measured(comparison: Comparison, missing: Sequence[Record]) -> Findings:
    measured = measure_arms(comparison)
    damaged = [*comparison.damaged, *measured.damaged]
    return Findings(comparison, measured.of_arm, measured.threshold, missing, damaged)
