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


def advise(
    mean: float, spread: Spread, margin: float | None, levels: Levels, look: int, *, quartiles: bool = True
) -> Advice:
    """Say what would decide an undecided comparison, if mean and spread stay as they are.

    Args:
        mean: of the differences so far.
        spread: of the differences so far; R >= 2.
        margin: > 0, or None.
        levels: of a single test at the look that is to decide it.
        look: that look.
        quartiles: give the range for means within the quartiles of the estimate, mean -+ 0.67 se, where it is wide;
            else the number for the mean itself.

    Returns:
        Units where adding them decides with 80 %; else examples where more of them and four times the units do; else
        nothing.
    """
    point = _units(mean, spread, margin, levels, look)
    if point is None:
        return _examples(mean, spread, margin, levels)
    if not quartiles:
        return Advice(point, point, "units")
    shift = QUARTILE * spread.se
    return _range([_units(one, spread, margin, levels, look) for one in (mean - shift, mean, mean + shift)])


def _range(found: list[int | None]) -> Advice:
    """From the fewest to the most units; those of the mean itself, the middle one, where the range is narrow."""
    known = [units for units in found if units is not None]
    low, high = min(known), max(known) if len(known) == len(found) else None
    if high is not None and high < WIDE * low:
        return Advice(found[1], found[1], "units")
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
