"""The scores of some arms, their baseline, and the verdicts on them."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from lossbench.errors import UserError
from lossbench.metrics.units import unit_of
from lossbench.report.arms import Arm
from lossbench.report.baseline import choose_baseline
from lossbench.report.compared_metric import choose_metric
from lossbench.report.comparison import Comparison
from lossbench.report.outcomes import Outcomes, find_outcomes
from lossbench.report.pairing import Frame, judge_arms
from lossbench.report.spec import ComparisonSpec
from lossbench.report.stats.collapse import find_collapses
from lossbench.report.stats.summary import summarise
from lossbench.rundir.result import Result


class Scored(NamedTuple):
    """A comparison without verdicts, and the outcomes of its arms."""

    comparison: Comparison
    outcomes: Outcomes


def score_arms(arms: Sequence[Arm], spec: ComparisonSpec) -> Scored:
    """Score some arms and choose their baseline.

    Args:
        arms: with runs on the same examples, at least one of them done.
        spec: the baseline, the metric and the margin.

    Raises:
        UserError: the metric or the baseline does not exist.
    """
    metric, instead = choose_metric(arms, spec.metric)
    outcomes = outcomes_of(arms, metric)
    comparison = compare_scores(arms, metric, margin_of(spec, metric), outcomes)
    baseline, chosen = choose_baseline(comparison.arms, spec.baseline, metric)
    return Scored(replace(comparison, baseline=baseline, chosen=chosen, instead=instead), outcomes)


def outcomes_of(arms: Sequence[Arm], metric: str) -> Outcomes:
    """The outcomes of some arms, at least one of whose runs is done."""
    return find_outcomes(arms, metric, _first(arms).design, higher_is_better=unit_of(metric).higher_is_better)


def compare_scores(arms: Sequence[Arm], metric: str, margin: float | None, outcomes: Outcomes) -> Comparison:
    """Compare the scores of some arms, from the best mean to the worst, without a baseline.

    Args:
        arms: with runs on the same examples, at least one of them done.
        metric: what is compared.
        margin: differences below it do not matter.
        outcomes: of these arms, and perhaps of others.
    """
    first, scores = _first(arms), {arm.label: outcomes.scores[arm.digest] for arm in arms}
    comparison = Comparison(
        metric=metric,
        unit=unit_of(metric),
        margin=margin,
        arms=arms,
        baseline=None,
        summaries={label: summarise(np.array([*found.values()])) for label, found in scores.items()},
        scores=scores,
        diverged={arm.label: [*arm.diverged] for arm in arms if arm.diverged},
        kind=first.kind,
        design=first.design,
        without_examples=outcomes.without_parts,
        damaged=outcomes.damaged,
        answers=outcomes.answers,
    )
    ordered = sorted(arms, key=lambda arm: (-comparison.sign * comparison.summaries[arm.label].mean, arm.label))
    return replace(comparison, arms=ordered, collapsed=_collapsed(comparison))


def _first(arms: Iterable[Arm]) -> Result:
    return next(run for arm in arms for run in arm.runs.values()).done_result


def beside(comparison: Comparison, baseline: Arm, outcomes: Outcomes) -> Comparison:
    """Put the baseline first, and find the units that the others share with it."""
    comparison = replace(comparison, baseline=baseline)
    common = {arm.label: outcomes.units(arm, baseline) for arm in comparison.others}
    return replace(comparison, arms=[baseline, *comparison.others], common=common)


def with_verdicts(comparison: Comparison, baseline: Arm, outcomes: Outcomes, frame: Frame) -> Comparison:
    """Put the baseline first, pair the others with it, and judge them in their family, by the looks of their study."""
    comparison = beside(comparison, baseline, outcomes)
    judged = judge_arms(comparison, baseline, outcomes, frame)
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


def margin_of(spec: ComparisonSpec, metric: str) -> float | None:
    """The margin of a comparison: what is given, or what is customary for the metric.

    Raises:
        UserError: it is not > 0 and finite.
    """
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
