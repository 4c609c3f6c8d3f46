"""The chance that a comparison is decided, by its true difference, its spread and the number of units."""

from typing import NamedTuple

import numpy as np
from scipy.special import stdtr, stdtrit  # pyright: ignore[reportMissingTypeStubs]

from lossbench.report.stats.differences import Spread

POWER = 0.8


class Levels(NamedTuple):
    """Levels at which a single comparison is tested, after all corrections."""

    different: float  # of the two-sided test
    equivalent: float  # of each one-sided test at the margin


def chance_different(difference: float, spread: Spread, levels: Levels, total: np.ndarray) -> np.ndarray:
    """Chance to find a difference with each of several totals of units, on its own side.

    F(|difference| / se - t(1 - level / 2)), with se and df of so many units, F and t Student's with df degrees

    Args:
        difference: the true one.
        spread: of the differences; its R is replaced by the totals.
        levels: of a single test.
        total: (k,) units, >= 2.

    Returns:
        (k,) chances, 0..1.
    """
    return _chance(abs(difference), *spread.errors(total), levels.different / 2)


def chance_equivalent(
    difference: float, margin: float | None, spread: Spread, levels: Levels, total: np.ndarray
) -> np.ndarray:
    """Chance to find a difference within the margin with each of several totals of units.

    F((margin - difference) / se - t(1 - level)) + F((margin + difference) / se - t(1 - level)) - 1, at least 0

    Args:
        difference: the true one.
        margin: > 0; None gives 0.
        spread: of the differences; its R is replaced by the totals.
        levels: of a single test.
        total: (k,) units, >= 2.

    Returns:
        (k,) chances, 0..1.
    """
    if margin is None:
        return np.zeros(len(total))
    se, df = spread.errors(total)
    sides = [_chance(margin + side * difference, se, df, levels.equivalent) for side in (-1, 1)]
    return np.maximum(sides[0] + sides[1] - 1, 0)


def _chance(distance: float, se: np.ndarray, df: np.ndarray, level: float) -> np.ndarray:
    """How often a one-sided t test finds a distance; one <= 0 is never found, a standard error of 0 finds any."""
    if distance <= 0:
        return np.zeros(se.shape)
    with np.errstate(divide="ignore"):
        return stdtr(df, distance / se + stdtrit(df, level))
