"""The verdicts at all doses and on all trends, judged as one family and recorded as looks of their study."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lossbench.errors import UserError
from lossbench.report.arms import Arm
from lossbench.report.compared import Compared
from lossbench.report.comparison import Comparison
from lossbench.report.doses.lines import Line
from lossbench.report.doses.trends import Trends
from lossbench.report.journal import append
from lossbench.report.looks import SHOWN, History, Question, read_history
from lossbench.report.outcomes import Outcomes
from lossbench.report.pairing import compared_arms, not_judged, test_per_train
from lossbench.report.stats.verdict import PairedComparison
from lossbench.report.verdicts import Verdicts, judge_together, planned_with

Groups = Mapping[Question, Mapping[str, Compared]]


@dataclass(frozen=True)
class Judgement:
    """What was found at all doses.

    Args:
        comparisons: dose -> comparison with its verdicts.
        trends: label -> change of the difference over the doses, judged with all others.
        standing: label -> units and look of a trend that an earlier report found, where these runs alone would not.
    """

    comparisons: Mapping[float, Comparison]
    trends: Mapping[str, PairedComparison] = field(default_factory=dict[str, PairedComparison])
    standing: Mapping[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])


def judge_response(
    baseline: Line,
    comparisons: Mapping[float, Comparison],
    extras: Mapping[float, Sequence[Arm]],
    trends: Trends,
    outcomes: Outcomes,
) -> Judgement:
    """Judge all lines at all doses, and their trends, together; record the look unless runs are still to be done.

    Args:
        baseline: the line that the others are compared with.
        comparisons: dose -> comparison, with its baseline where it has one.
        extras: dose -> arms of the family that are not in the report.
        trends: of the lines.
        outcomes: of all arms.

    Raises:
        UserError: the journal of the study cannot be read.
    """
    first, study = next(iter(comparisons.values())), _study(baseline)
    history = read_history(study)
    asked = {dose: _question(comparisons[dose], arm.digest) for dose, arm in baseline.arms.items()}
    trend = _question(first, baseline.trend)
    groups: dict[Question, Mapping[str, Compared]] = {trend: trends.compared}
    for dose, arm in baseline.arms.items():
        groups[asked[dose]] = compared_arms(comparisons[dose], arm, extras.get(dose, ()), outcomes)
    absent = _absent(groups, history)
    ratios = _ratios(comparisons, {dose: groups[question] for dose, question in asked.items()}, trends)
    verdicts = judge_together(groups, history, design=first.design, absent=absent, test_per_train=ratios)
    shared = {
        "family": sum(map(len, groups.values())) + absent,
        "doubts": history.doubts,
        "head": history.head,
        "without_examples": outcomes.without_parts,
    }
    if first.provisional:
        verdicts = {question: _not_judged(each) for question, each in verdicts.items()}
    else:
        shared |= _recorded(verdicts, groups, history, study)
    judged = {dose: replace(found, **shared) for dose, found in comparisons.items()}
    for dose, question in asked.items():
        found = verdicts[question]
        judged[dose] = replace(judged[dose], paired=_in_order(found, judged[dose]), standing=found.standing)
    return Judgement(judged, verdicts[trend].paired, verdicts[trend].standing)


def _study(baseline: Line) -> Path:
    return next(run for arm in baseline.arms.values() for run in (*arm.runs.values(), *arm.diverged.values())).study


def _question(comparison: Comparison, digest: str) -> Question:
    return Question(comparison.metric, digest[:SHOWN], comparison.margin)


def _absent(groups: Groups, history: History) -> int:
    """How many comparisons of the family have no data here."""
    known = [arm for arms in groups.values() for arm in arms]
    return sum(not any(arm.startswith(each) for arm in known) for each in planned_with(groups, history))


def _ratios(
    comparisons: Mapping[float, Comparison], groups: Mapping[float, Mapping[str, Compared]], trends: Trends
) -> dict[str, float | None]:
    """Test examples for each training example: of each arm at its dose, of a trend the most at any dose."""
    ratios = {
        dose: test_per_train(comparisons[dose], [each.differences for each in arms.values()])
        for dose, arms in groups.items()
    }
    widest = max((ratio for ratio in ratios.values() if ratio is not None), default=None)
    by_arm = {arm: ratios[dose] for dose, arms in groups.items() for arm in arms}
    return {**by_arm, **dict.fromkeys(trends.compared, widest)}


def _not_judged(found: Verdicts) -> Verdicts:
    return Verdicts(not_judged(found.paired))


def _in_order(found: Verdicts, comparison: Comparison) -> dict[str, PairedComparison]:
    return {arm.label: found.paired[arm.label] for arm in comparison.others if arm.label in found.paired}


def _recorded(verdicts: Mapping[Question, Verdicts], groups: Groups, history: History, study: Path) -> dict[str, Any]:
    """Write the looks into the journal, a line for each question; what is in it already is not written again.

    Returns:
        The fields of `Comparison` that say so.
    """
    entries = [each.entry for each in verdicts.values() if each.entry is not None]
    for entry in entries:
        history.add(entry)
    reported = [[arm for arm, each in arms.items() if each.label] for arms in groups.values()]
    told: dict[str, Any] = {"questions": max(1, *map(history.questions, reported))}
    try:
        for entry in entries:
            told["head"] = append(study, entry)
    except UserError as error:
        told["unrecorded"] = str(error)
    return told
