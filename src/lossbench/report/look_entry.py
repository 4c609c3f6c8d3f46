"""The line of the journal that a look at some arms leaves."""

from collections.abc import Collection, Mapping
from typing import Any

from lossbench.report.compared import Compared
from lossbench.report.looks import History, Question, data_hash
from lossbench.report.stats.verdict import PairedComparison


def look_entry(
    arms: Mapping[str, Compared], shown: Mapping[str, PairedComparison], question: Question, family: Collection[str]
) -> dict[str, Any]:
    """Make the line of a look in the journal.

    Args:
        arms: first digits of the hash -> arm beside the baseline.
        shown: the same of what was reported -> its verdict.
        question: what was asked.
        family: hashes of all comparisons that were corrected for each other.
    """
    return {
        "what": "look",
        "question": question.to_json(),
        "family": sorted(family),
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


def is_known(entry: Mapping[str, Any], history: History) -> bool:
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
