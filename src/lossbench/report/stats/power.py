"""The chance that a comparison is decided, by its true difference, its spread and the number of units."""

from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr, stdtrit  # pyright: ignore[reportMissingTypeStubs]

from lossbench.report.stats.differences import Spread

POWER = 0.8


@dataclass(frozen=True)
class Levels:
    """Levels at which a single comparison is tested, after all corrections.

    Args:
        different: of the two-sided test.
        equivalent: of each one-sided test at the margin.
    """

    different: float
    equivalent: float


def chance(difference: float, margin: float | None, spread: Spread, levels: Levels, total: np.ndarray) -> np.ndarray:
    """Chance to decide a comparison with each of several totals of units.

    With se and df of so many units, and F Student's t with df degrees, the larger of::

        better or worse    F(|difference| / se - t(1 - different / 2))
        equivalent         F((margin - difference) / se - t(1 - equivalent))
                           + F((margin + difference) / se - t(1 - equivalent)) - 1

    Args:
        difference: the true one.
        margin: > 0, or None.
        spread: of the differences; its R is replaced by the totals.
        levels: of a single test.
        total: (k,) units, >= 2.

    Returns:
        (k,) chances, 0..1.
    """
    se, df = _errors(spread, total)
    found = _power(abs(difference), se, df, levels.different / 2)
    if margin is None:
        return found
    sides = [_power(margin + side * difference, se, df, levels.equivalent) for side in (-1, 1)]
    return np.maximum(found, sides[0] + sides[1] - 1)


def _errors(spread: Spread, total: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(k,) standard errors and degrees of freedom."""
    fixed, own = spread.var_examples, max(0.0, spread.s2_units - spread.s2_inside)
    variance = fixed + own / total
    df = (total - 1).astype(np.float64)
    if spread.N is not None and variance.all():
        noise = fixed**2 / (spread.N - 1) + (spread.s2_units / total) ** 2 / df
        df = np.maximum(df, variance**2 / noise)
    return np.sqrt(variance), df


def _power(distance: float, se: np.ndarray, df: np.ndarray, level: float) -> np.ndarray:
    """How often a one-sided t test finds a distance; one <= 0 is never found, a standard error of 0 finds any."""
    if distance <= 0:
        return np.zeros(se.shape)
    with np.errstate(divide="ignore"):
        return stdtr(df, distance / se + stdtrit(df, level))
