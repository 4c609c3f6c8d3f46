"""Verdicts of a family of paired comparisons with one baseline, judged together."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import stdtr, stdtrit  # pyright: ignore[reportMissingTypeStubs]

from lossbench.report.stats import paired
from lossbench.report.stats.advice import Advice, advise
from lossbench.report.stats.collapse import collapse_bound
from lossbench.report.stats.differences import Design, Differences, Spread, spread
from lossbench.report.stats.max_t import MOST_DF, MaxT, two_sided
from lossbench.report.stats.power import Levels
from lossbench.report.stats.sequential import ALPHA, look_factor, reachable
from lossbench.report.stats.sign_flip import sign_flip_p
from lossbench.report.stats.summary import deviation

__all__ = ["ALPHA", "Advice", "Design", "Differences", "PairedComparison", "judge"]

Verdict = Literal["better", "worse", "equivalent", "undecided"]
Qualifier = Literal["slightly better", "slightly worse"]


@dataclass(frozen=True)
class PairedComparison:
    """One loss against the baseline over n shared units; differences in the unit of the score, positive is better."""

    n: int
    mean: float
    sd: float  # of the units' means; nan for n = 1, as all that needs a variance
    se: float  # sqrt(var_examples + var_units)
    df: float
    low: float  # simultaneous 95 % interval of the mean, which agrees with the verdict
    high: float
    p: float  # of mean / se, raw
    p_adjusted: float  # step-down max-T, times looks, and not below the sign-flip test's
    p_equivalent: float  # two one-sided t tests, adjusted the same way; nan without a margin
    p_sign_flip: float  # of the units' means, raw
    effect_size: float  # mean / sd
    better_in: tuple[float, float, float]  # share of units and its 95 % interval
    look: int
    verdict: Verdict
    qualifier: Qualifier | None  # of a difference that is significant but equivalent, or smaller than the margin
    more: Advice | None  # what would decide; None if decided, or for n = 1
    reachable: bool  # whether n units can decide anything at this look
    nadeau_bengio: tuple[float, float] | None  # their 95 % interval for this comparison alone; folds only
    var_examples: float  # the part of se^2 that more units do not lower
    var_units: float
    collapsed: int  # units in which the arm diverged or collapsed
    collapse_bound: float  # upper 95 % bound of how often it does; "equivalent" is never said without it


@dataclass(frozen=True)
class _Family:
    """Estimates of all comparisons that have a variance, and what they are judged by."""

    mean: np.ndarray
    p: np.ndarray
    adjusted: np.ndarray
    same: np.ndarray
    level: np.ndarray  # of a single two-sided test, after all corrections
    next_levels: Sequence[Levels]  # at the next look


def judge(
    differences: Mapping[str, Differences],
    margin: float | None,
    *,
    design: Design,
    look: int | Mapping[str, int] = 1,
    family: int | None = None,
    collapsed: Mapping[str, int] | None = None,
    test_per_train: float | None = None,
) -> dict[str, PairedComparison]:
    """Judge all losses of a study against its baseline at once.

    T = mean / se. Adjusted p = step-down max-T over the family * look_factor(look), at most 1. The first that holds::

        equivalent       adjusted p of the two one-sided tests at the margin < 5 %
        better, worse    adjusted p of T < 5 % and sign-flip p of the units' means * look_factor < 5 %
        undecided        otherwise, and always with too few units (`reachable`)

    Args:
        differences: label to its differences from the baseline; units may differ.
        margin: > 0, the difference that no longer counts as equal, in the unit of the differences; None: nothing is
            called equivalent.
        design: how the units were tested.
        look: how many times these comparisons were judged, this time included; or label to it.
        family: number of planned comparisons, >= len(differences); those without data are taken as independent.
        collapsed: label to units in which the arm diverged or collapsed; none where it is missing.
        test_per_train: test examples for each training example; folds need it where there are no examples.

    Returns:
        Label to comparison, in the order given. One unit, or one test example, is undecided, with p = 1.

    Raises:
        ValueError: on a margin that is not > 0, looks < 1 or of other names, a family smaller than the differences.
    """
    looks = dict.fromkeys(differences, look) if isinstance(look, int) else look
    absent = _check(differences, margin, looks, family)
    spreads = {label: spread(one, design, test_per_train) for label, one in differences.items()}
    known = [label for label, one in spreads.items() if not math.isnan(one.se)]
    absent += len(differences) - len(known)
    judged = {}
    if known:
        estimates = _judge_family(
            [differences[k] for k in known], [spreads[k] for k in known], margin, [looks[k] for k in known], absent
        )
        judged = {label: (estimates, place) for place, label in enumerate(known)}
    counts = collapsed or {}
    return {
        label: _comparison(
            one, spreads[label], judged.get(label), margin, looks[label], counts.get(label, 0),
            _nadeau_bengio(one, design, test_per_train),
        )
        for label, one in differences.items()
    }  # fmt: skip


def _check(
    differences: Mapping[str, Differences], margin: float | None, looks: Mapping[str, int], family: int | None
) -> int:
    """Number of comparisons of the family that have no data."""
    if set(looks) != set(differences):
        raise ValueError(f"looks must name the comparisons {sorted(differences)}, got {sorted(looks)}")
    for one in looks.values():
        look_factor(one)
    if margin is not None:
        paired.check_margin(margin)
    absent = 0 if family is None else family - len(differences)
    if absent < 0:
        raise ValueError(f"family must be at least the {len(differences)} comparisons given, got {family}")
    return absent


def _judge_family(
    differences: Sequence[Differences],
    spreads: Sequence[Spread],
    margin: float | None,
    looks: Sequence[int],
    absent: int,
) -> _Family:
    mean = np.array([one.means.mean() for one in differences])
    se, df = np.array([one.se for one in spreads]), np.array([one.df for one in spreads])
    reference = MaxT(correlation(differences, spreads), df, absent)
    factors = np.array([look_factor(look) for look in looks])
    p = two_sided(_ratio(mean, se), df)
    adjusted = np.minimum(1, factors * reference.adjust(p, np.argsort(factors * p, kind="stable")))
    # Rejecting "a margin too high" needs a mean far below +margin: the side nearer to its margin decides.
    signs = np.where(mean > 0, -1, 1)
    same = np.full(len(p), math.nan)
    if margin is not None:
        raw = stdtr(np.minimum(df, MOST_DF), -_ratio(margin - np.abs(mean), se))
        same = np.minimum(1, factors * reference.adjust(raw, np.argsort(factors * raw, kind="stable"), signs))
    levels = {
        factor: _levels(reference, factor, signs) for factor in {look_factor(k + j) for k in looks for j in (0, 1)}
    }
    now = np.array([levels[look_factor(look)].different for look in looks])
    upcoming = [levels[look_factor(look + reachable(one.R, look))] for look, one in zip(looks, spreads, strict=True)]
    return _Family(mean, p, adjusted, same, now, upcoming)


def _levels(reference: MaxT, factor: float, signs: np.ndarray) -> Levels:
    return Levels(reference.level(ALPHA / factor), reference.level(ALPHA / factor, signs))


def _ratio(distance: np.ndarray, se: np.ndarray) -> np.ndarray:
    """distance / se; +-inf, or 0 for no distance, where nothing varies."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(distance == 0, 0.0, distance / se)


def correlation(differences: Sequence[Differences], spreads: Sequence[Spread]) -> np.ndarray:
    """Correlation of the estimated mean differences: the parts of examples and units, each with its weight.

    Args:
        differences: of m arms, on the same columns of examples.
        spreads: theirs.

    Returns:
        (m, m), positive semi-definite; 0 beside a comparison in which nothing varies.
    """
    m = len(differences)
    covariance = np.zeros((m, m))
    units = np.unique(np.concatenate([one.units for one in differences]))
    rows = np.zeros((m, len(units)))
    for row, one, its in zip(rows, differences, spreads, strict=True):
        row[np.searchsorted(units, one.units)] = one.means - one.means.mean()
        fixed = 0.0 if its.N is None else its.var_examples
        row *= math.sqrt(max(0.0, its.se**2 - fixed)) / (np.linalg.norm(row) or 1.0)
    covariance += rows @ rows.T
    with_examples = [k for k, its in enumerate(spreads) if its.N is not None]
    if with_examples:
        columns = np.stack([_columns(differences[k]) for k in with_examples])
        scale = [
            math.sqrt(spreads[k].var_examples) / (np.linalg.norm(columns[i]) or 1.0)
            for i, k in enumerate(with_examples)
        ]
        columns *= np.array(scale)[:, None]
        covariance[np.ix_(with_examples, with_examples)] += columns @ columns.T
    sd = np.sqrt(np.diag(covariance))
    sd[sd == 0] = math.inf
    result = covariance / sd / sd[:, None]
    np.fill_diagonal(result, 1.0)
    return result


def _columns(differences: Differences) -> np.ndarray:
    """(N,) centred mean difference of each example, 0 where it was not tested."""
    examples = differences.examples
    assert examples is not None
    tested = ~np.isnan(examples)
    count = tested.sum(0)
    sums = np.where(tested, examples, 0).sum(0, dtype=np.float64)
    means = sums / np.maximum(count, 1)
    return np.where(count > 0, means - means[count > 0].mean(), 0.0)


def _nadeau_bengio(one: Differences, design: Design, ratio: float | None) -> tuple[float, float] | None:
    R = len(one.means)
    if design != "folds" or ratio is None or R == 1:
        return None
    half = float(stdtrit(R - 1, 1 - ALPHA / 2)) * deviation(one.means) * math.sqrt(1 / R + ratio)
    return float(one.means.mean()) - half, float(one.means.mean()) + half


def _comparison(
    differences: Differences, its: Spread, place: tuple[_Family, int] | None, margin: float | None, look: int,
    collapsed: int, nadeau_bengio: tuple[float, float] | None,
) -> PairedComparison:  # fmt: skip
    d = differences.means
    n, mean, p_flip = len(d), float(d.mean()), sign_flip_p(d)
    found = _Found(math.nan, math.nan, 1.0, 1.0, math.nan, "undecided", None, None)
    if place is not None:
        found = _decide(*place, its, p_flip, margin, look)
    return PairedComparison(
        n=n, mean=mean, sd=deviation(d), se=its.se, df=math.nan if place is None else its.df, low=found.low,
        high=found.high, p=found.p, p_adjusted=found.p_adjusted, p_equivalent=found.p_equivalent, p_sign_flip=p_flip,
        effect_size=paired.effect_size(d) if n > 1 else math.nan, better_in=paired.probability_better(d), look=look,
        verdict=found.verdict, qualifier=found.qualifier, more=found.more,
        reachable=place is not None and reachable(n, look), nadeau_bengio=nadeau_bengio, var_examples=its.var_examples,
        var_units=its.var_units, collapsed=collapsed, collapse_bound=collapse_bound(collapsed, n),
    )  # fmt: skip


@dataclass(frozen=True)
class _Found:
    low: float
    high: float
    p: float
    p_adjusted: float
    p_equivalent: float
    verdict: Verdict
    qualifier: Qualifier | None
    more: Advice | None


def _decide(family: _Family, k: int, its: Spread, p_flip: float, margin: float | None, look: int) -> _Found:
    mean, same = float(family.mean[k]), float(family.same[k])
    adjusted = max(float(family.adjusted[k]), min(1.0, p_flip * look_factor(look)))
    enough = reachable(its.R, look)
    different = enough and adjusted < ALPHA
    verdict: Verdict = "undecided"
    if enough and same < ALPHA:
        verdict = "equivalent"
    elif different:
        verdict = "better" if mean > 0 else "worse"
    small = different and margin is not None and abs(mean) < margin
    qualifier: Qualifier | None = ("slightly better" if mean > 0 else "slightly worse") if small else None
    half = float(stdtrit(min(its.df, MOST_DF), 1 - family.level[k] / 2)) * its.se
    low, high = _agreeing(mean - half, mean + half, mean, verdict, different, enough, margin)
    more = None
    if verdict == "undecided":
        more = advise(mean, its, margin, family.next_levels[k], look + enough)
    return _Found(low, high, float(family.p[k]), adjusted, same, verdict, qualifier, more)


def _agreeing(
    low: float, high: float, mean: float, verdict: Verdict, different: bool, enough: bool, margin: float | None
) -> tuple[float, float]:
    """Cut or extend an interval to agree with the words where a step-down or a sign-flip test decides otherwise."""
    if not enough:
        return low, high
    if different:
        low, high = (max(low, 0.0), high) if mean > 0 else (low, min(high, 0.0))
    else:
        low, high = min(low, 0.0), max(high, 0.0)
    if verdict == "equivalent":
        assert margin is not None
        low, high = max(low, -margin), min(high, margin)
    return low, high
