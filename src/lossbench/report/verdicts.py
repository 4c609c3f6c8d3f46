"""The verdicts of a comparison, corrected for its family and for earlier looks; a verdict of an earlier look stands."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from lossbench.report.compared import Compared
from lossbench.report.look_entry import is_known, look_entry
from lossbench.report.looks import Decision, History, Question, data_hash
from lossbench.report.stats import paired
from lossbench.report.stats.differences import Design
from lossbench.report.stats.verdict import PairedComparison
from lossbench.report.stats.verdict import judge as judge_family


@dataclass(frozen=True)
class Verdicts:
    """Paired comparisons with the baseline.

    Args:
        paired: label -> paired comparison.
        standing: label -> units and look with which an earlier report found it better or worse, where these runs alone
            would not.
        entry: the line of the journal; None where nothing is new.
    """

    paired: Mapping[str, PairedComparison]
    standing: Mapping[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])
    entry: Mapping[str, Any] | None = None


def judge(
    arms: Mapping[str, Compared],
    history: History,
    question: Question,
    *,
    design: Design,
    absent: int = 0,
    test_per_train: float | None = None,
) -> Verdicts:
    """Judge all arms of a family together.

    Args:
        arms: first 16 digits of the hash -> arm beside the baseline, those of the family that are not reported too.
        history: earlier looks, which this one is not added to.
        question: what is asked.
        design: how the units share test examples.
        absent: arms of the family without data.
        test_per_train: test examples for each training example; folds need it where there are no parts by example.

    Returns:
        The verdicts of the reported arms, in the order of their hashes.
    """
    found = judge_together({question: arms}, history, design=design, absent=absent, test_per_train=test_per_train)
    return found[question]


def judge_together(
    groups: Mapping[Question, Mapping[str, Compared]],
    history: History,
    *,
    design: Design,
    absent: int = 0,
    test_per_train: float | Mapping[str, float | None] | None = None,
) -> dict[Question, Verdicts]:
    """Judge the arms of several baselines as one family.

    Args:
        groups: what is asked -> arms beside its baseline, as in `judge`; the margin is the same in all.
        history: earlier looks, which these are not added to.
        design: how the units share test examples.
        absent: arms of the family without data.
        test_per_train: test examples for each training example, or arm to it; folds need it where there are no parts
            by example.

    Returns:
        The verdicts of each group.
    """
    asked = {arm: question for question, arms in groups.items() for arm in arms}
    arms = {arm: groups[asked[arm]][arm] for arm in sorted(asked)}  # their order must not move a drawn number
    looks = {arm: history.look(arm, asked[arm], data_hash(each.scores), [*each.scores]) for arm, each in arms.items()}
    found = judge_family(
        {arm: each.differences for arm, each in arms.items()},
        next(iter(groups)).margin,
        design=design,
        look=looks,
        family=len(arms) + absent,
        collapsed={arm: each.collapsed for arm, each in arms.items()},
        test_per_train=test_per_train,
    )
    shown = {arm: without(_ranked(found[arm], each), each.barred) for arm, each in arms.items() if each.label}
    family = {*arms, *planned_with(groups, history)}
    return {
        question: _verdicts(question, _of(shown, group), arms, history, family, len(arms) + absent)
        for question, group in groups.items()
    }


def planned_with(questions: Iterable[Question], history: History) -> set[str]:
    """All arms that were planned or reported together with the baselines of some questions."""
    baselines = {question.baseline for question in questions}
    return set[str]().union(*(history.family(baseline) for baseline in baselines)) - baselines


def _of(shown: Mapping[str, PairedComparison], group: Collection[str]) -> dict[str, PairedComparison]:
    return {arm: pair for arm, pair in shown.items() if arm in group}


def _verdicts(
    question: Question,
    shown: Mapping[str, PairedComparison],
    arms: Mapping[str, Compared],
    history: History,
    family: Collection[str],
    size: int,
) -> Verdicts:
    """The verdicts on one question, of a family of that size; earlier ones stand."""
    entry = look_entry(arms, shown, question, family)
    standing: dict[str, tuple[int, int]] = {}
    paired_by_label: dict[str, PairedComparison] = {}
    for arm, pair in shown.items():
        label, earlier = arms[arm].label, history.decided(arm, question)
        paired_by_label[label] = pair
        if earlier is not None and _stands(earlier, pair, size, arms[arm].barred):
            standing[label] = (earlier.n, earlier.look)
            paired_by_label[label] = _as_decided(earlier, pair, question.margin)
    return Verdicts(paired_by_label, standing, None if is_known(entry, history) else entry)


def without(pair: PairedComparison, barred: Collection[str]) -> PairedComparison:
    """A comparison that is undecided where its word is barred, better or worse; slightly so is barred with it."""
    if pair.verdict in barred:
        return replace(pair, verdict="undecided", qualifier=None)
    is_slight = pair.qualifier is not None and pair.qualifier.removeprefix("slightly ") in barred
    return replace(pair, qualifier=None) if is_slight else pair


def _ranked(pair: PairedComparison, arm: Compared) -> PairedComparison:
    """Count a diverged run as the worst of any: whatever it scores, it loses to a run that did not diverge."""
    means = dict(zip(arm.differences.units.tolist(), arm.differences.means.tolist(), strict=True))
    sides = [_side(*arm.scores[unit], mean) for unit, mean in means.items()]
    return replace(pair, better_in=paired.probability_better(np.array(sides)))


def _side(ours: float, theirs: float, difference: float) -> float:
    """1 where the arm won, -1 where it lost, 0 of a tie."""
    lost, won = ours != ours, theirs != theirs  # nan
    if lost or won:
        return float(won) - float(lost)
    return float(difference > 0) - float(difference < 0)


def _stands(earlier: Decision, now: PairedComparison, family: int, barred: Collection[str]) -> bool:
    """Whether an earlier verdict stands: not barred, of a family as large, undecided now, a mean on the same side."""
    if earlier.verdict in barred:
        return False
    side = "better" if now.mean > 0 else "worse"
    is_open = now.verdict == "undecided" and now.look > earlier.look
    return is_open and earlier.verdict == side and earlier.family >= family


def _as_decided(earlier: Decision, now: PairedComparison, margin: float | None) -> PairedComparison:
    """A comparison with the verdict of an earlier look: slight if it was or is now, with an interval that agrees."""
    is_slight = earlier.slightly or (margin is not None and abs(now.mean) < margin)
    return replace(
        now,
        verdict=earlier.verdict,
        qualifier=f"slightly {earlier.verdict}" if is_slight else None,
        low=max(now.low, 0.0) if earlier.verdict == "better" else now.low,
        high=min(now.high, 0.0) if earlier.verdict == "worse" else now.high,
        more=None,
    )
