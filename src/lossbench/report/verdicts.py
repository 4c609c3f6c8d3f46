"""The verdicts of a comparison, corrected for its family and for earlier looks; a verdict of an earlier look stands."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from lossbench.report.looks import Decision, History, Question, data_hash
from lossbench.report.stats import paired
from lossbench.report.stats.differences import Design, Differences
from lossbench.report.stats.verdict import PairedComparison
from lossbench.report.stats.verdict import judge as judge_family


class Compared(NamedTuple):
    """An arm beside the baseline.

    Args:
        label: of the arm; empty of an arm of the family that is not in the report.
        differences: arm minus baseline, positive is better.
        scores: unit -> scores of the arm and of the baseline, nan of a diverged run.
        collapsed: units in which the arm diverged or collapsed.
        barred: words that may not be said of it.
    """

    label: str
    differences: Differences
    scores: Mapping[int, tuple[float, float]]
    collapsed: int = 0
    barred: frozenset[str] = frozenset()


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
    arms = dict(sorted(arms.items()))  # the order of arms must not move a drawn number
    looks = {arm: history.look(arm, question, data_hash(each.scores), [*each.scores]) for arm, each in arms.items()}
    found = judge_family(
        {arm: each.differences for arm, each in arms.items()},
        question.margin,
        design=design,
        look=looks,
        family=len(arms) + absent,
        collapsed={arm: each.collapsed for arm, each in arms.items()},
        test_per_train=test_per_train,
    )
    shown = {arm: without(_ranked(found[arm], each), each.barred) for arm, each in arms.items() if each.label}
    entry = _entry(arms, shown, question, history.family(question.baseline))
    standing: dict[str, tuple[int, int]] = {}
    paired_by_label: dict[str, PairedComparison] = {}
    for arm, pair in shown.items():
        label, earlier = arms[arm].label, history.decided(arm, question)
        paired_by_label[label] = pair
        if earlier is not None and _stands(earlier, pair, len(arms) + absent, arms[arm].barred):
            standing[label] = (earlier.n, earlier.look)
            paired_by_label[label] = _as_decided(earlier, pair, question.margin)
    return Verdicts(paired_by_label, standing, None if _is_known(entry, history) else entry)


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


def _entry(
    arms: Mapping[str, Compared],
    shown: Mapping[str, PairedComparison],
    question: Question,
    planned: Sequence[str] | set[str],
) -> dict[str, Any]:
    """The line of this look in the journal."""
    return {
        "what": "look",
        "question": question.to_json(),
        "family": sorted({*arms, *planned}),
        "arms": {
            arm: {
                "label": arms[arm].label,
                "data": data_hash(arms[arm].scores),
                "units": [*arms[arm].scores],
                "n": pair.n,
                "look": pair.look,
                "counts": pair.reachable,
                "verdict": pair.verdict,
                "qualifier": pair.qualifier,
                "outcomes": [_written(ours) for ours, _ in arms[arm].scores.values()],
                "baseline_outcomes": [_written(theirs) for _, theirs in arms[arm].scores.values()],
            }
            for arm, pair in shown.items()
        },
    }


def _written(score: float) -> float | str:
    return "diverged" if score != score else float(f"{score:.9g}")


def _is_known(entry: Mapping[str, Any], history: History) -> bool:
    """Whether a line would change nothing that the journal says: the same looks, words and family."""
    question = Question(**entry["question"])
    if not any(each["counts"] for each in entry["arms"].values()):
        return True
    if not {*entry["family"], question.baseline} <= {*history.family(question.baseline), question.baseline}:
        return False
    return all(_is_known_look(arm, each, question, history) for arm, each in entry["arms"].items())


def _is_known_look(arm: str, each: Mapping[str, Any], question: Question, history: History) -> bool:
    seen = history.seen.get(arm, [])
    if not each["counts"]:
        return True
    if each["look"] > len(seen):
        return False
    found = history.found.get((arm, question, each["look"]))
    before = found.verdict if found else None
    return before == (each["verdict"] if each["verdict"] in ("better", "worse") else None)
