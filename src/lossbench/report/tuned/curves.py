"""The test score of what was chosen after n trials: what each loss needs of tuning, and where two losses cross."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Literal, NamedTuple

import numpy as np

from lossbench.report.comparison import Comparison
from lossbench.report.outcomes import find_outcomes
from lossbench.report.stats.summary import Summary, summarise
from lossbench.report.stats.verdict import PairedComparison
from lossbench.report.tuned.refits import Refits

Side = Literal["ahead of", "behind", "level with", "not told apart from"]
"""Where the interval of a difference lies: above 0, below it, around it and within the margin, or around it."""
APART: Sequence[Side] = ("ahead of", "behind")


@dataclass(frozen=True)
class After:
    """What was chosen for a row after n trials, tested.

    Args:
        n: trials.
        scores: replicate -> test score, in the stored unit; diverged refits score as in the verdict.
        difference: paired mean difference from the baseline, positive is better; nan where it was not compared.
        low: lower end of its simultaneous 95 % interval, as that of a verdict.
        high: its upper end.
        verdict: on the difference, by itself.
    """

    n: int
    scores: Mapping[int, float]
    difference: float = math.nan
    low: float = math.nan
    high: float = math.nan
    verdict: str = ""

    @property
    def summary(self) -> Summary:
        """The scores over replicates."""
        return summarise(np.array([*self.scores.values()]))

    @property
    def side(self) -> Side:
        """On which side of the baseline the interval of the difference lies."""
        if self.low > 0:
            return "ahead of"
        if self.high < 0:
            return "behind"
        return "level with" if self.verdict == "equivalent" else "not told apart from"


Curve = Sequence[After]
"""What was chosen for one row after 1, 2, 4, ... and all trials."""


def find_curves(refits: Refits, comparison: Comparison, between: Mapping[int, Comparison]) -> dict[str, Curve]:
    """Row -> its curve, in the order of the comparison's arms.

    Args:
        refits: all of a plan.
        comparison: of what was chosen after all trials; its metric and direction are taken.
        between: n -> comparison of what was chosen after n trials, that after all among them.
    """
    found: dict[str, list[After]] = {arm.label: [] for arm in comparison.arms}
    for n, after in between.items():
        for label, scores in _scores(refits, comparison, n).items():
            if label in found:
                found[label].append(_after(n, scores, after.paired.get(label)))
    return {label: curve for label, curve in found.items() if curve}


def _scores(refits: Refits, comparison: Comparison, n: int) -> dict[str, Mapping[int, float]]:
    arms = refits.arms_after(n)
    higher = comparison.unit.higher_is_better
    outcomes = find_outcomes(arms, comparison.metric, comparison.design, higher_is_better=higher, with_parts=False)
    return {arm.label: outcomes.scores[arm.digest] for arm in arms if outcomes.scores[arm.digest]}


def _after(n: int, scores: Mapping[int, float], pair: PairedComparison | None) -> After:
    return After(n, scores) if pair is None else After(n, scores, pair.mean, pair.low, pair.high, pair.verdict)


class Phase(NamedTuple):
    """A stretch of a curve on one side of the baseline, with its first and last number of trials."""

    side: Side
    first: int
    last: int


def phases(curve: Curve) -> list[Phase]:
    """Part a curve into stretches on one side of the baseline."""
    found: list[Phase] = []
    for _, group in groupby(curve, key=lambda after: after.side):
        members = [*group]
        found.append(Phase(members[0].side, members[0].n, members[-1].n))
    return found


def crossings(curve: Curve) -> list[float]:
    """Numbers of trials at which the mean difference changes sign, between two that were tested, on a log scale.

    Only of a curve that lies clearly on one side of the baseline somewhere: two equal losses cross by chance.
    """
    if not any(after.side in APART for after in curve):
        return []
    places: list[float] = []
    for one, other in pairwise(curve):
        if one.difference * other.difference < 0:
            share = one.difference / (one.difference - other.difference)
            places.append(one.n * (other.n / one.n) ** share)
    return places
