"""How numbers and counts are written in sentences and tables."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from lossbench.metrics.units import Unit

if TYPE_CHECKING:  # scipy takes a second to import
    from lossbench.report.stats.advice import Advice
    from lossbench.report.stats.summary import Summary

MARKS = {"better": "▲", "worse": "▼", "equivalent": "■", "undecided": "○"}
MOST_LISTED = 8


def numbers(units: Sequence[int]) -> str:
    """Write rising numbers of replicates or seeds, at least one: "0 to 11", "0, 3, 7"."""
    first, last = units[0], units[-1]
    is_whole = [*units] == [*range(first, last + 1)] and len(units) > 2
    return f"{first} to {last}" if is_whole else ", ".join(map(str, units))


def format_difference(value: float, unit: Unit, *, signed: bool = False, with_unit: bool = True) -> str:
    """Write a difference or a width: "+1.20 points"; "n/a" where it is not known."""
    if math.isnan(value):
        return "n/a"
    text = f"{unit.factor * value:{'+' if signed else ''}z.{unit.digits}f}"
    return f"{text} {unit.difference}".rstrip() if with_unit else text


def format_score(value: float, unit: Unit) -> str:
    """Write a score: "97.83 %"; "n/a" where it is not known."""
    return "n/a" if math.isnan(value) else f"{unit.factor * value:.{unit.digits}f} {unit.name}".rstrip()


def format_mean(summary: "Summary", unit: Unit, kind: str = "seed") -> str:
    """Write a mean score with its interval and the number of seeds or replicates."""
    mean = format_score(summary.mean, unit)
    if math.isnan(summary.low):
        return f"{mean} (n = 1 {kind})"
    low, high = format_score(summary.low, unit), format_score(summary.high, unit)
    return f"{mean} (95 % interval {low} to {high}, n = {summary.n} {kind}s)"


def format_p(p: float) -> str:
    """Write a p-value: three decimals, "< 0.001" or "n/a"."""
    if math.isnan(p):
        return "n/a"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def counted(n: int, one: str, many: str = "") -> str:
    """Write a count with its noun: "1 seed", "3 seeds"."""
    return f"{n} {one if n == 1 else many or one + 's'}"


def listed(numbers: Sequence[int]) -> str:
    """Write whole numbers in a row, the first eight of them."""
    shown = ", ".join(map(str, numbers[:MOST_LISTED]))
    return f"{shown}, ..." if len(numbers) > MOST_LISTED else shown


def format_advice(advice: "Advice", unit: str = "seed") -> str:
    """Write what would decide a comparison: "about 12 to 40 more seeds would decide"."""
    if advice.kind == "nothing":
        return f"no number of {unit}s or test examples is likely to decide it"
    if advice.kind == "examples":
        return f"no number of {unit}s will decide it; about {advice.low:,} test examples would"
    if advice.high == advice.low:
        return f"about {counted(advice.low or 0, f'more {unit}')} would decide"
    most = "more than 1,000" if advice.high is None else str(advice.high)
    return f"about {advice.low:,} to {most} more {unit}s would decide"
