"""One measured comparison."""

import statistics
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One measured comparison: medians over n alternations, the ratio with its quartiles."""

    name: str
    unit: str
    ours: float
    reference: float
    ratio: float
    quartiles: tuple[float, float]
    n: int


def compare(
    name: str, unit: str, ours: Callable[[], float], reference: Callable[[], float], n: int, *, cost: bool
) -> Figure:
    """Measure both alternately n times; the ratio is the median of the n ratios of neighbours."""
    pairs = [(ours(), reference()) for _ in range(n)]
    ratios = [theirs / mine if cost else mine / theirs for mine, theirs in pairs]
    low, middle, high = statistics.quantiles(ratios, n=4)
    mine, theirs = (statistics.median(column) for column in zip(*pairs, strict=True))
    return Figure(name, unit, mine, theirs, middle, (low, high), n)
