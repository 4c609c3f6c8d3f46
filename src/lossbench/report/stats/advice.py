"""What would decide an undecided comparison: more units, more test examples, or nothing."""

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy.special import ndtri  # pyright: ignore[reportMissingTypeStubs]

from lossbench.report.stats.differences import Spread
from lossbench.report.stats.power import POWER, Levels, chance_different, chance_equivalent
from lossbench.report.stats.sequential import least_units

MOST_UNITS = 1000  # more than that is no advice
MOST_EXAMPLES = 100  # times as many as there are
WIDE = 2.0  # a range whose ends differ by less than this factor is given as one number
QUARTILE = float(ndtri(0.75))


@dataclass(frozen=True)
class Advice:
    """What would decide a comparison with a chance of 80 %.

    Args:
        low: units to add, or test examples in all; None where nothing would help.
        high: the end of the range, low where it is narrow; None beyond 1,000 units or 100 times the examples.
        kind: what to add.
    """

    low: int | None
    high: int | None
    kind: Literal["units", "examples", "nothing"]


def advise(mean: float, spread: Spread, margin: float | None, levels: Levels, look: int) -> Advice:
    """Say what would decide an undecided comparison, if mean and spread stay as they are.

    The range is that of means within the quartiles of the estimate, mean -+ 0.67 se; a single number is for the mean
    itself.

    Args:
        mean: of the differences so far.
        spread: of the differences so far; R >= 2.
        margin: > 0, or None.
        levels: of a single test at the look that is to decide it.
        look: that look.

    Returns:
        Units where adding them decides with 80 %; else examples where more of them and as many units do; else nothing.
    """
    point = _units(mean, spread, margin, levels, look)
    if point is None:
        return _examples(mean, spread, margin, levels)
    ends = [_units(mean + side * QUARTILE * spread.se, spread, margin, levels, look) for side in (-1, 1)]
    low = min(end or MOST_UNITS for end in (*ends, point))
    high = None if None in ends else max(end or 0 for end in (*ends, point))
    if high is not None and high < WIDE * low:
        return Advice(point, point, "units")
    return Advice(low, high, "units")


def _units(mean: float, spread: Spread, margin: float | None, levels: Levels, look: int) -> int | None:
    """Fewest units to add that decide with 80 %, up to 1,000."""
    least = least_units(look)
    if least is None:
        return None
    few, many = max(spread.R + 1, least), spread.R + MOST_UNITS
    total = np.unique(np.r_[few : few + 20, np.geomspace(few, many, 80).astype(int)])
    enough = _chance(mean, margin, spread, levels, total) >= POWER
    return int(total[np.argmax(enough)]) - spread.R if enough.any() else None


def _examples(mean: float, spread: Spread, margin: float | None, levels: Levels) -> Advice:
    """Fewest test examples in all that decide with 80 %, with four times the units."""
    if spread.N is None or spread.s2_examples == 0:
        return Advice(None, None, "nothing")
    for factor in np.geomspace(1.1, MOST_EXAMPLES, 60).tolist():
        larger = replace(spread, N=math.ceil(factor * spread.N), s2_inside=spread.s2_inside / factor)
        if _chance(mean, margin, larger, levels, np.array([4 * spread.R]))[0] >= POWER:
            return Advice(larger.N, larger.N, "examples")
    return Advice(None, None, "nothing")


def _chance(mean: float, margin: float | None, spread: Spread, levels: Levels, total: np.ndarray) -> np.ndarray:
    different = chance_different(mean, spread, levels, total)
    return np.maximum(different, chance_equivalent(mean, margin, spread, levels, total))
