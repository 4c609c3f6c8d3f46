"""The scores of some arms, their baseline, and the verdicts on them."""

import math
from collections.abc import Sequence
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
    margin, unit = _margin(spec, metric), unit_of(metric)
    first = next(run for arm in arms for run in arm.runs.values()).done_result
    outcomes = find_outcomes(arms, metric, first.design, higher_is_better=unit.higher_is_better)
    comparison = Comparison(
        metric=metric,
        unit=unit,
        margin=margin,
        arms=arms,
        baseline=None,
        summaries={arm.label: summarise(np.array([*outcomes.scores[arm.digest].values()])) for arm in arms},
        scores={arm.label: outcomes.scores[arm.digest] for arm in arms},
        diverged={arm.label: [*arm.diverged] for arm in arms if arm.diverged},
        instead=instead,
        kind=first.kind,
        design=first.design,
        without_examples=outcomes.without_parts,
        damaged=outcomes.damaged,
    )
    ordered = sorted(arms, key=lambda arm: (-comparison.sign * comparison.summaries[arm.label].mean, arm.label))
    baseline, chosen = choose_baseline(ordered, spec.baseline, metric)
    comparison = replace(comparison, arms=ordered, baseline=baseline, chosen=chosen)
    return Scored(replace(comparison, collapsed=_collapsed(comparison)), outcomes)


def with_verdicts(comparison: Comparison, baseline: Arm, outcomes: Outcomes, frame: Frame) -> Comparison:
    """Put the baseline first, pair the others with it, and judge them in their family, by the looks of their study."""
    others = comparison.others
    common = {arm.label: outcomes.units(arm, baseline) for arm in others}
    comparison = replace(comparison, arms=[baseline, *others], common=common)
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
