"""From runs to a comparison: arms, their outcomes, a baseline, and the verdicts."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from lossbench.errors import UserError
from lossbench.metrics.units import unit_of
from lossbench.report.arms import Arm, make_arms
from lossbench.report.baseline import choose_baseline
from lossbench.report.comparable import require_comparable
from lossbench.report.compared_metric import choose_metric
from lossbench.report.comparison import Comparison
from lossbench.report.frozen import are_frozen, one_seed_of_each
from lossbench.report.outcomes import Outcomes, failed_units, find_outcomes, has_diverged, is_spoilt
from lossbench.report.pairing import judge_arms
from lossbench.report.records import Record
from lossbench.report.spec import ComparisonSpec
from lossbench.report.stats.collapse import find_collapses
from lossbench.report.stats.summary import summarise

OPEN = ("planned", "running", "preempted", "cancelled")


def compare_arms(records: Sequence[Record], spec: ComparisonSpec, missing: Sequence[Record] = ()) -> Comparison:
    """Compare the arms of some done runs with a baseline, paired by replicate or seed.

    Args:
        records: done runs, at least one.
        spec: the baseline, the metric and the margin.
        missing: runs of the same sweep without a result: while any is still to be done nothing is judged; diverged ones
            are outcomes, other failed ones are named.

    Returns:
        The comparison; the look at it has been recorded beside the baseline's runs.

    Raises:
        UserError: the runs cannot be compared, or the metric or the baseline does not exist.
    """
    require_comparable(records)
    arms, copies = _arms(records, missing)
    metric, instead = choose_metric(arms, spec.metric)
    margin, unit = _margin(spec, metric), unit_of(metric)
    frozen = are_frozen(arms)
    arms = one_seed_of_each(arms) if frozen else arms
    design = records[0].done_result.design
    outcomes = find_outcomes(arms, metric, design, higher_is_better=unit.higher_is_better)
    comparison = Comparison(
        metric=metric,
        unit=unit,
        margin=margin,
        arms=arms,
        baseline=None,
        summaries={arm.label: summarise(np.array([*outcomes.scores[arm.digest].values()])) for arm in arms},
        scores={arm.label: outcomes.scores[arm.digest] for arm in arms},
        frozen=frozen,
        copies=copies,
        instead=instead,
        kind=records[0].done_result.kind,
        design=design,
        without_examples=outcomes.without_parts,
        damaged=outcomes.damaged,
    )
    ordered = sorted(arms, key=lambda arm: (-comparison.sign * comparison.summaries[arm.label].mean, arm.label))
    comparison = replace(comparison, arms=ordered)
    baseline, chosen = choose_baseline(comparison.arms, spec.baseline, metric)
    comparison = _with_failures(replace(comparison, baseline=baseline, chosen=chosen), missing)
    return comparison if baseline is None else _with_verdicts(comparison, baseline, outcomes)


def _arms(records: Sequence[Record], missing: Sequence[Record]) -> tuple[list[Arm], int]:
    """Make the arms of runs that are done or diverged; also count the runs that are there twice."""
    finite = [record for record in records if not is_spoilt(record)] or records
    spoilt = [] if finite is records else [*filter(is_spoilt, records)]
    arms = make_arms(finite, [*spoilt, *filter(has_diverged, missing)])
    return arms, len(finite) - sum(len(arm.runs) for arm in arms)


def _with_failures(comparison: Comparison, missing: Sequence[Record]) -> Comparison:
    """Say which runs diverged, collapsed, failed or are still to be done."""
    arms = comparison.arms
    unfinished = {arm.label: failed_units(arm, missing) for arm in arms}
    return replace(
        comparison,
        diverged={arm.label: [*arm.diverged] for arm in arms if arm.diverged},
        unfinished={label: units for label, units in unfinished.items() if units},
        collapsed=_collapsed(comparison),
        provisional=_still_to_do(arms, missing),
    )


def _with_verdicts(comparison: Comparison, baseline: Arm, outcomes: Outcomes) -> Comparison:
    """Put the baseline first, pair the others with it, and judge them in their family, by the looks of their study."""
    others = comparison.others
    common = {arm.label: outcomes.units(arm, baseline) for arm in others}
    comparison = replace(comparison, arms=[baseline, *others], common=common)
    judged = judge_arms(comparison, baseline, outcomes)
    return replace(
        comparison,
        paired=judged.paired,
        standing=judged.standing,
        family=judged.family,
        questions=judged.questions,
        unrecorded=judged.unrecorded,
        doubts=judged.doubts,
        head=judged.head,
        without_examples=judged.without_examples,
    )


def _margin(spec: ComparisonSpec, metric: str) -> float | None:
    margin = spec.margin if spec.margin is not None else unit_of(metric).margin
    if margin is not None and not 0 < margin < math.inf:
        raise UserError(
            f"margin must be > 0 and finite, in the unit of {metric} (0.01 is one point of accuracy), got {margin}"
        )
    return margin


def _collapsed(comparison: Comparison) -> dict[str, Sequence[int]]:
    """The units of each arm that are done and scored far below its others."""
    far = find_collapses({arm.label: _signed(arm, comparison) for arm in comparison.arms}, comparison.margin)
    found: dict[str, Sequence[int]] = {}
    for arm in comparison.arms:
        units = [unit for unit, is_far in zip(comparison.scores[arm.label], far[arm.label], strict=True) if is_far]
        if collapsed := [unit for unit in units if unit in arm.runs]:
            found[arm.label] = collapsed
    return found


def _signed(arm: Arm, comparison: Comparison) -> np.ndarray:
    """(n,) scores, higher is better, -inf of a diverged run."""
    scores = comparison.scores[arm.label].items()
    return np.array([-np.inf if unit in arm.diverged else comparison.sign * score for unit, score in scores])


def _still_to_do(arms: Sequence[Arm], missing: Sequence[Record]) -> int:
    """Count the runs that are planned, running or stopped, of these arms or of others on the same data and model."""
    results = [run.done_result for arm in arms for run in arm.runs.values()]
    settings = tuple({f"{result.data}-{result.model}-" for result in results})
    return sum(record.state in OPEN and record.name.setting.startswith(settings) for record in missing)
