"""What a comparison can decide before anything has run: power, the smallest difference found, and the units needed."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from lossbench.report.stats.differences import Spread
from lossbench.report.stats.max_t import MOST_DF, MaxT
from lossbench.report.stats.power import POWER, Levels, chance_different, chance_equivalent
from lossbench.report.stats.sequential import ALPHA, least_units, look_factor, reachable

MOST_UNITS = 1000
SHARED = 0.5  # correlation of two differences from one baseline, where all arms vary alike


class Chances(NamedTuple):
    """Chance of each word, 0..1."""

    different: float  # better or worse, or slightly so, by the sign of the difference
    equivalent: float


def planned_spread(
    R: int, N: int | None, sd_units: float, sd_examples: float = 0.0, tested: int | None = None
) -> Spread:
    """Give the spread that a plan expects.

    Args:
        R: units.
        N: distinct test examples of all units together; None where predictions are not kept.
        sd_units: standard deviation of the difference over units, the choice of test examples apart.
        sd_examples: standard deviation over examples of the difference, mean over the units: for accuracy at most
            sqrt(share of examples on which one arm is right and the other wrong).
        tested: test examples of each unit, where each has its own (folds).

    Returns:
        The spread.
    """
    inside = sd_examples**2 / tested if N and tested else 0.0
    return Spread(R, N, sd_units**2 + inside, inside, sd_examples**2, folds=tested is not None)


def power(difference: float, spread: Spread, comparisons: int, margin: float | None = None, look: int = 1) -> Chances:
    """Chance that a comparison is decided.

    Args:
        difference: the true one.
        spread: of the differences; R and N are those of the plan.
        comparisons: >= 1, losses compared with the baseline.
        margin: > 0, or None: nothing is equivalent.
        look: >= 1.

    Returns:
        The chances; 0 for fewer units than can decide anything.
    """
    if not reachable(spread.R, look):
        return Chances(0.0, 0.0)
    levels, total = planned_levels(comparisons, spread.df, look), np.array([spread.R])
    different = chance_different(difference, spread, levels, total)
    equivalent = chance_equivalent(difference, margin, spread, levels, total)
    return Chances(float(different[0]), float(equivalent[0]))


def smallest_difference(spread: Spread, comparisons: int, look: int = 1) -> float | None:
    """Smallest true difference that is found with a chance of 80 %.

    Args:
        spread: of the differences.
        comparisons: >= 1.
        look: >= 1.

    Returns:
        A difference > 0, in the unit of the spread; None for fewer units than can decide anything.
    """
    if not reachable(spread.R, look):
        return None
    low, high = 0.0, spread.se
    while power(high, spread, comparisons, look=look).different < POWER:
        high *= 2
    for _ in range(40):
        middle = (low + high) / 2
        found = power(middle, spread, comparisons, look=look).different >= POWER
        low, high = (low, middle) if found else (middle, high)
    return high


def units_needed(
    difference: float, spread: Spread, comparisons: int, margin: float | None = None, look: int = 1
) -> int | None:
    """Fewest units with which a comparison is decided with a chance of 80 %, either way.

    Args:
        difference: the true one; 0 asks for "equivalent".
        spread: of the differences; its R does not matter.
        comparisons: >= 1.
        margin: > 0, or None.
        look: >= 1.

    Returns:
        Units; None if more than 1,000 are needed.
    """
    low = least_units(look)
    if low is None or not _decides(difference, spread, comparisons, margin, look, MOST_UNITS):
        return None
    high = MOST_UNITS
    while low < high:
        middle = (low + high) // 2
        if _decides(difference, spread, comparisons, margin, look, middle):
            high = middle
        else:
            low = middle + 1
    return high


def _decides(difference: float, spread: Spread, comparisons: int, margin: float | None, look: int, R: int) -> bool:
    return max(power(difference, spread.with_units(R), comparisons, margin, look)) >= POWER


def planned_levels(comparisons: int, df: float, look: int) -> Levels:
    """Levels of a single comparison among several that share a baseline, after all corrections."""
    return _levels_at(comparisons, round(float(np.log(min(df, MOST_DF))), 1), look)


@lru_cache(maxsize=1024)
def _levels_at(comparisons: int, log_df: float, look: int) -> Levels:
    correlated = np.full((comparisons, comparisons), SHARED)
    np.fill_diagonal(correlated, 1.0)
    reference = MaxT(correlated, np.full(comparisons, np.exp(log_df)))
    alpha = ALPHA / look_factor(look)
    return Levels(reference.two_sided().level(alpha), reference.one_sided(np.ones(comparisons)).level(alpha))
