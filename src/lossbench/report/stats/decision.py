"""What is said of one comparison of a family: its word, and an interval that agrees with it."""

import math
from dataclasses import dataclass
from typing import Literal

from lossbench.report.stats.advice import Advice, advise
from lossbench.report.stats.differences import Spread
from lossbench.report.stats.estimate import Estimate
from lossbench.report.stats.family import Family, half_width
from lossbench.report.stats.sequential import ALPHA, look_factor, reachable

Verdict = Literal["better", "worse", "equivalent", "undecided"]
Qualifier = Literal["slightly better", "slightly worse"]


@dataclass(frozen=True)
class Decision:
    """What is decided of one comparison; undecided without a standard error.

    Args:
        low: lower end of the simultaneous 95 % interval of the mean, which agrees with the verdict; nan where unknown.
        high: its upper end.
        p: of mean / se, raw.
        p_adjusted: step-down max-T, times looks, and not below the sign-flip test's.
        p_equivalent: two one-sided t tests at the margin, adjusted the same way; nan without a margin.
        verdict: the word.
        qualifier: of a difference that is significant and equivalent, or smaller than the margin.
        more: what would decide it; None where decided, or without a standard error.
        reachable: whether so many units can decide anything at this look.
    """

    low: float = math.nan
    high: float = math.nan
    p: float = 1.0
    p_adjusted: float = 1.0
    p_equivalent: float = math.nan
    verdict: Verdict = "undecided"
    qualifier: Qualifier | None = None
    more: Advice | None = None
    reachable: bool = False


def decide(family: Family, place: int, found: Estimate, its: Spread, margin: float | None) -> Decision:
    """Decide one comparison by the rules of `judge`.

    Args:
        family: the tests of all comparisons.
        place: of this one among them.
        found: what was estimated of it.
        its: spread of its differences.
        margin: > 0, or None.

    Returns:
        The decision.
    """
    mean, look, enough = found.mean, found.look, reachable(found.n, found.look)
    same = float(family.p_equivalent[place])
    adjusted = max(float(family.p_adjusted[place]), min(1.0, found.p_sign_flip * look_factor(look)))
    different = enough and adjusted < ALPHA
    verdict = _word(mean, different, enough and same < ALPHA)
    half = half_width(its, family.levels(look).different)
    low, high = mean - half, mean + half
    if enough:
        low, high = _agree(low, high, mean if different else 0.0)
        low, high = _within(low, high, margin) if margin and verdict == "equivalent" else (low, high)
    after = look + enough  # a look that can decide nothing is not counted
    return Decision(
        low=low,
        high=high,
        p=float(family.p[place]),
        p_adjusted=adjusted,
        p_equivalent=math.nan if margin is None else same,
        verdict=verdict,
        qualifier=_qualify(mean, margin) if different else None,
        more=advise(mean, its, margin, family.levels(after), after) if verdict == "undecided" else None,
        reachable=enough,
    )


def _word(mean: float, different: bool, equivalent: bool) -> Verdict:
    if equivalent:
        return "equivalent"
    if not different:
        return "undecided"
    return "better" if mean > 0 else "worse"


def _qualify(mean: float, margin: float | None) -> Qualifier | None:
    if margin is None or abs(mean) >= margin:
        return None
    return "slightly better" if mean > 0 else "slightly worse"


def _agree(low: float, high: float, side: float) -> tuple[float, float]:
    """End at 0 on the other side of a difference that was decided; hold 0 where none was."""
    if side > 0:
        return max(low, 0.0), high
    if side < 0:
        return low, min(high, 0.0)
    return min(low, 0.0), max(high, 0.0)


def _within(low: float, high: float, margin: float) -> tuple[float, float]:
    return max(low, -margin), min(high, margin)
