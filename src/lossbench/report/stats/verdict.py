"""Verdicts of a family of paired comparisons with one baseline, judged together."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from lossbench.report.stats import paired
from lossbench.report.stats.sequential import ALPHA, least_seeds, look_factor, more_seeds, reachable
from lossbench.report.stats.summary import checked, deviation, t_interval

__all__ = [
    "ALPHA",
    "Decision",
    "PairedComparison",
    "compare",
    "decide",
    "least_seeds",
    "look_factor",
    "more_seeds",
    "reachable",
]

Verdict = Literal["better", "worse", "equivalent", "undecided"]


@dataclass(frozen=True)
class PairedComparison:
    """One loss against the baseline over n shared seeds; differences in the unit of the score, positive is better."""

    n: int
    mean: float
    sd: float  # nan for n = 1, as all that needs a variance
    low: float  # 95 % t interval of the mean, for this comparison alone
    high: float
    bca: tuple[float, float] | None  # 95 % BCa interval of the mean, from 20 seeds on
    p: float  # sign-flip test, raw
    p_adjusted: float  # for looks and for the other comparisons
    p_equivalent: float  # two one-sided t tests, adjusted the same way; nan without a margin
    effect_size: float  # mean / sd
    better_in: tuple[float, float, float]  # share of seeds and its 95 % interval
    look: int
    verdict: Verdict
    more_seeds: int | None  # about how many would decide; None if decided, or if more than 1,000
    reachable: bool  # whether n seeds can give p_adjusted < 5 % at all


class Decision(NamedTuple):
    """The verdict of one comparison, and the adjusted p it rests on."""

    verdict: Verdict
    p_adjusted: float
    p_equivalent: float


def compare(
    differences: Mapping[str, np.ndarray], margin: float | None, looks: Mapping[str, int] | None = None
) -> dict[str, PairedComparison]:
    """Judge all losses of a study against its baseline at once.

    adjusted p = Holm over all comparisons of p * look_factor(look), at most 1. A verdict is the first that holds::

        better, worse    adjusted p of the sign-flip test < 5 %, by the sign of the mean
        equivalent       adjusted p of the two one-sided t tests < 5 %: |mean| is below the margin
        undecided        otherwise, and always with too few seeds for an adjusted p < 5 %

    Args:
        differences: name to (n,) finite differences, loss minus baseline per shared seed, positive is better; n >= 1
            may differ.
        margin: > 0, the difference that no longer counts as equal, in the unit of the differences; None: nothing is
            called equivalent.
        looks: name to how many times it has been judged, this time included, >= 1; None: the first time for all.

    Returns:
        Name to comparison, in the order given. A single seed is always undecided, with p = 1.

    Raises:
        ValueError: on wrong shapes, a NaN or an infinity, a margin that is not > 0, looks < 1 or of other names than
            the differences.
    """
    looks = dict.fromkeys(differences, 1) if looks is None else looks
    _check(differences, margin, looks)
    arrays = [checked(d) for d in differences.values()]
    counts = [looks[name] for name in differences]
    p = [paired.sign_flip_p(d) for d in arrays]
    p_equivalent = [_p_equivalent(d, margin) for d in arrays]
    decisions = decide([float(d.mean()) for d in arrays], p, p_equivalent, counts, [len(d) for d in arrays])
    family = zip(differences, arrays, p, counts, decisions, strict=True)
    return {name: _comparison(d, raw, margin, len(arrays), look, decision) for name, d, raw, look, decision in family}


def _check(differences: Mapping[str, np.ndarray], margin: float | None, looks: Mapping[str, int]) -> None:
    if set(looks) != set(differences):
        raise ValueError(f"looks must name the comparisons {sorted(differences)}, got {sorted(looks)}")
    if margin is not None:
        paired.check_margin(margin)


def _p_equivalent(d: np.ndarray, margin: float | None) -> float:
    return math.nan if margin is None or len(d) == 1 else paired.tost_p(d, margin)


def decide(
    means: Sequence[float], p: Sequence[float], p_equivalent: Sequence[float], looks: Sequence[int], n: Sequence[int]
) -> list[Decision]:
    """Decide the verdicts of a family of m comparisons from their raw p, by the rules of `compare`.

    Args:
        means: (m,) mean differences.
        p: (m,) of the sign-flip tests, 0..1.
        p_equivalent: (m,) of the two one-sided t tests, 0..1; nan where there is none.
        looks: (m,) >= 1.
        n: (m,) >= 1, seeds.

    Returns:
        One decision per comparison, in the order given.

    Raises:
        ValueError: on a p outside 0..1, a look < 1, or different lengths.
    """
    factors = np.array([look_factor(look) for look in looks])
    adjusted = paired.holm(np.minimum(1, factors * np.asarray(p, dtype=np.float64)))
    # A comparison without an equivalence test counts as one of the family, with p = 1.
    same = np.asarray(p_equivalent, dtype=np.float64)
    adjusted_same = paired.holm(np.minimum(1, factors * np.where(np.isnan(same), 1, same)))
    adjusted_same[np.isnan(same)] = math.nan
    # Holm's later steps are milder: with too few seeds the full correction counts, so that p and verdict agree.
    enough = [reachable(seeds, len(looks), look) for seeds, look in zip(n, looks, strict=True)]
    full = np.minimum(1, factors * len(looks) * np.asarray(p, dtype=np.float64))
    adjusted = np.where(enough, adjusted, np.maximum(adjusted, full))
    numbers = zip(means, adjusted.tolist(), adjusted_same.tolist(), enough, strict=True)
    return [
        Decision(_verdict(mean, one, other) if decidable else "undecided", one, other)
        for mean, one, other, decidable in numbers
    ]


def _verdict(mean: float, p_adjusted: float, p_equivalent: float) -> Verdict:
    if p_adjusted < ALPHA:
        return "better" if mean > 0 else "worse"
    return "equivalent" if p_equivalent < ALPHA else "undecided"


def _comparison(
    d: np.ndarray, p: float, margin: float | None, comparisons: int, look: int, decision: Decision
) -> PairedComparison:
    n, mean, sd = len(d), float(d.mean()), deviation(d)
    low, high = t_interval(d) if n > 1 else (math.nan, math.nan)
    enough = reachable(n, comparisons, look)
    more = more_seeds(mean, sd, n, margin, comparisons, look + enough) if decision.verdict == "undecided" else None
    return PairedComparison(
        n=n, mean=mean, sd=sd, low=low, high=high, bca=paired.bca_interval(d), p=p, p_adjusted=decision.p_adjusted,
        p_equivalent=decision.p_equivalent, effect_size=paired.effect_size(d) if n > 1 else math.nan,
        better_in=paired.probability_better(d), look=look, verdict=decision.verdict, more_seeds=more,
        reachable=enough,
    )  # fmt: skip
