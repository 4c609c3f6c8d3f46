"""The tests of a family of comparisons with one baseline, corrected for each other and for earlier looks."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr, stdtrit  # pyright: ignore[reportMissingTypeStubs]

from lossbench.report.stats.correlation import correlation
from lossbench.report.stats.differences import Differences, Spread
from lossbench.report.stats.max_t import MOST_DF, MaxT, Tests, two_sided
from lossbench.report.stats.power import Levels
from lossbench.report.stats.sequential import ALPHA, look_factor


@dataclass(frozen=True)
class Family:
    """Tests of m comparisons that have a standard error.

    Args:
        p: (m,) two-sided, raw.
        p_adjusted: (m,) by step-down max-T, times looks.
        p_equivalent: (m,) of the two one-sided tests at the margin, adjusted the same way; 1 without a margin.
        either: the two-sided tests together.
        near: the one-sided tests together, each at the margin that is nearer.
    """

    p: np.ndarray
    p_adjusted: np.ndarray
    p_equivalent: np.ndarray
    either: Tests
    near: Tests

    def levels(self, look: int) -> Levels:
        """Levels of a single comparison at a look, after all corrections."""
        alpha = ALPHA / look_factor(look)
        return Levels(self.either.level(alpha), self.near.level(alpha))


def judge_family(
    differences: Sequence[Differences],
    spreads: Sequence[Spread],
    margin: float | None,
    looks: Sequence[int],
    absent: int,
) -> Family:
    """Test all comparisons of a family together.

    Args:
        differences: of m arms, each with a standard error.
        spreads: theirs.
        margin: > 0, or None.
        looks: (m,) >= 1.
        absent: comparisons of the family without data.

    Returns:
        The tests.
    """
    mean = np.array([one.means.mean() for one in differences])
    se, df = np.array([one.se for one in spreads]), np.array([one.df for one in spreads])
    factors = np.array([look_factor(look) for look in looks])
    reference = MaxT(correlation(differences, spreads), df, absent)
    either, p = reference.two_sided(), two_sided(_ratio(mean, se), df)
    adjusted = _adjust(either, p, factors)
    if margin is None:
        return Family(p, adjusted, np.ones(len(p)), either, either)
    # Rejecting "a margin too high" needs a mean far below +margin: the side nearer to its margin decides.
    near = reference.one_sided(np.where(mean > 0, -1, 1))
    same = _adjust(near, stdtr(np.minimum(df, MOST_DF), -_ratio(margin - np.abs(mean), se)), factors)
    return Family(p, adjusted, same, either, near)


def half_width(its: Spread, level: float) -> float:
    """Half-width of the interval whose test has this two-sided level: t(1 - level / 2, df) se."""
    return float(stdtrit(min(its.df, MOST_DF), 1 - level / 2)) * its.se


def _adjust(tests: Tests, p: np.ndarray, factors: np.ndarray) -> np.ndarray:
    return np.minimum(1, factors * tests.adjust(p, np.argsort(factors * p, kind="stable")))


def _ratio(distance: np.ndarray, se: np.ndarray) -> np.ndarray:
    """distance / se; +-inf, or 0 for no distance, where nothing varies."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(distance == 0, 0.0, distance / se)
