"""The verdicts on the arms of a comparison: paired with the baseline, in their family, as a look of their study."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from lossbench.errors import UserError
from lossbench.report.arms import Arm
from lossbench.report.compared import Compared
from lossbench.report.comparison import Comparison
from lossbench.report.family import padding
from lossbench.report.journal import append
from lossbench.report.looks import SHOWN, History, Question, Seen, read_history
from lossbench.report.outcomes import Outcomes, find_outcomes
from lossbench.report.records import Record
from lossbench.report.stats.differences import Differences
from lossbench.report.stats.verdict import PairedComparison
from lossbench.report.verdicts import Verdicts, judge


@dataclass(frozen=True)
class Judged:
    """What was found of the arms of a comparison; see `Comparison` for the fields."""

    paired: Mapping[str, PairedComparison] = field(default_factory=dict[str, PairedComparison])
    standing: Mapping[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])
    family: int = 0
    questions: int = 1
    unrecorded: str | None = None
    doubts: Sequence[str] = ()
    head: str = ""
    without_examples: str | None = None


@dataclass(frozen=True)
class Frame:
    """In which family and history a comparison is judged.

    Args:
        extras: arms of the family that are not in the report.
        is_look: whether it counts as a look: what the journal says of earlier ones is read, and this one is recorded.
        plan: hash of the plan of tuned losses; empty of plain runs.
        looks: digest of an arm -> look that it is judged at where this is none; others are judged at the first.
    """

    extras: Sequence[Arm] = ()
    is_look: bool = True
    plan: str = ""
    looks: Mapping[str, int] = field(default_factory=dict[str, int])


def judge_arms(comparison: Comparison, baseline: Arm, outcomes: Outcomes, frame: Frame) -> Judged:
    """Judge the arms that share a unit with the baseline, and record the look unless runs are still to be done.

    Args:
        comparison: with the baseline and the units that the arms share with it.
        baseline: with at least one run.
        outcomes: of the arms of the comparison.
        frame: the family and the history.

    Raises:
        UserError: the journal of the study cannot be read.
    """
    study, extras = _any_run(baseline).study, frame.extras
    history = read_history(study) if frame.is_look else _looked_at(frame.looks)
    outcomes = _with_extras(outcomes, extras, comparison)
    compared = compared_arms(comparison, baseline, extras, outcomes)
    question = Question(comparison.metric, baseline.digest[:SHOWN], comparison.margin, frame.plan[:SHOWN])
    absent = padding(history.family(question.baseline), [*comparison.arms, *extras])
    reported = [each for each in compared.values() if each.label]
    if not reported:
        return Judged(doubts=history.doubts, head=history.head, without_examples=outcomes.without_parts)
    verdicts = judge(
        compared,
        history,
        question,
        design=comparison.design,
        absent=absent,
        test_per_train=test_per_train(comparison, [each.differences for each in compared.values()]),
    )
    found = Judged(
        {arm.label: verdicts.paired[arm.label] for arm in comparison.others if arm.label in verdicts.paired},
        verdicts.standing,
        family=len(compared) + absent,
        doubts=history.doubts,
        head=history.head,
        without_examples=outcomes.without_parts,
    )
    if comparison.provisional:
        return replace(found, paired=not_judged(found.paired), standing={})
    if not frame.is_look:
        return found
    return _recorded(found, verdicts, history, study=study, arms=compared)


def _looked_at(looks: Mapping[str, int]) -> History:
    """A history after which arms are judged at these looks."""
    other = Question("", "", None)
    seen = {arm[:SHOWN]: [Seen(other, str(k)) for k in range(1, look)] for arm, look in looks.items()}
    return History(seen=seen)


def _with_extras(outcomes: Outcomes, extras: Sequence[Arm], comparison: Comparison) -> Outcomes:
    if not extras:
        return outcomes
    higher = comparison.unit.higher_is_better
    return find_outcomes([*comparison.arms, *extras], comparison.metric, comparison.design, higher_is_better=higher)


def compared_arms(
    comparison: Comparison, baseline: Arm, extras: Sequence[Arm], outcomes: Outcomes
) -> dict[str, Compared]:
    """Set the arms that share a unit with the baseline beside it: hash -> arm; extras have no label."""
    labels = {arm.digest: arm.label for arm in comparison.others}
    found: dict[str, Compared] = {}
    for arm in (*comparison.others, *extras):
        units = outcomes.units(arm, baseline)
        if units:
            label = labels.get(arm.digest, "")
            scores = {unit: (_score(arm, unit, outcomes), _score(baseline, unit, outcomes)) for unit in units}
            lost = {*arm.diverged, *comparison.collapsed.get(label, ())}.intersection(units)
            differences = outcomes.differences(arm, baseline, comparison.sign)
            barred = comparison.barred.get(label, frozenset())
            found[arm.digest[:SHOWN]] = Compared(label, differences, scores, len(lost), barred)
    return found


def _score(arm: Arm, unit: int, outcomes: Outcomes) -> float:
    return math.nan if unit in arm.diverged else outcomes.scores[arm.digest][unit]


def _any_run(arm: Arm) -> Record:
    return next(iter({**arm.diverged, **arm.runs}.values())) if not arm.runs else next(iter(arm.runs.values()))


def test_per_train(comparison: Comparison, differences: Iterable[Differences]) -> float | None:
    """Tested examples for each training example; None where that is not recorded.

    Raises:
        UserError: it is not recorded, and folds without parts by example need it.
    """
    for run in comparison.runs:
        trained = run.done_result.facts.get("train_counts", {}).get("examples")
        if trained:
            return run.done_result.n[comparison.split] / trained
    if comparison.design == "folds" and any(each.examples is None for each in differences):
        raise UserError(
            f"{comparison.runs[0].path}/result.json lacks train_counts, the number of training examples, which "
            "intervals over folds need where predictions.npz is missing; run it again with save_predictions=true"
        )
    return None


def not_judged(paired: Mapping[str, PairedComparison]) -> dict[str, PairedComparison]:
    """Comparisons of which nothing is said while runs are still to be done."""
    return {label: replace(pair, verdict="undecided", qualifier=None, more=None) for label, pair in paired.items()}


def _recorded(
    found: Judged, verdicts: Verdicts, history: History, *, study: Path, arms: Mapping[str, Compared]
) -> Judged:
    """Write the look into the journal; what is in it already is not written again."""

    reported = [arm for arm, each in arms.items() if each.label]
    if verdicts.entry is None:
        return replace(found, questions=max(1, history.questions(reported)))
    history.add(verdicts.entry)
    questions = max(1, history.questions(reported))
    try:
        head = append(study, verdicts.entry)
    except UserError as error:
        return replace(found, questions=questions, unrecorded=str(error))
    return replace(found, questions=questions, head=head)
