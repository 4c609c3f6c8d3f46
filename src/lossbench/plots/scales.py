"""Limits and ticks of axes: round numbers, as many as there is room for."""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from math import ceil, floor, isfinite, log10
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.ticker import FixedFormatter, FixedLocator, MaxNLocator

from lossbench.plots.sheet import SMALL, text_width

GAP = 7.0  # points between two tick labels
LOG_STEPS = ((1, (1, 2, 5)), (1, (1, 3)), (1, (1,)), (2, (1,)), (3, (1,)), (6, (1,)))  # of the exponent, and digits
Tick = tuple[float, str]


def limits(values: Iterable[float], *, share: float = 0.06, log: bool = False) -> tuple[float, float]:
    """Find the ends of an axis that shows all values.

    Args:
        values: NaN and infinity are passed over, and what is not above 0 with log.
        share: room left at both ends, as a share of the axis.
        log: for a logarithmic axis.

    Returns:
        low < high.
    """
    seen = [float(value) for value in values if isfinite(value) and (value > 0 or not log)]
    low, high = (min(seen), max(seen)) if seen else (1.0, 1.0)
    if log:
        low, high = log10(low), log10(high)
    extra = share * (high - low)
    if high - low <= 1e-9 * max(abs(low), abs(high)):
        extra = 0.1 * abs(high) or 0.1
    return (10 ** (low - extra), 10 ** (high + extra)) if log else (low - extra, high + extra)


def spell(values: Sequence[float]) -> list[str]:
    """Write numbers with the fewest decimals that are exact for all; very large and very small ones each by itself."""
    largest = max((abs(value) for value in values), default=0.0)
    exact = [d for d in range(7) if all(abs(round(value, d) - value) <= 1e-9 * largest for value in values)]
    if 0 < largest < 1e-3 or largest >= 1e6 or not exact:
        return [spell_one(value) for value in values]
    return [f"{value:.{exact[0]}f}".replace("-", "−") for value in values]


def spell_one(value: float) -> str:
    """Write a number with four digits, as short as can be."""
    return re.sub(r"e(-?)\+?0*", r"e\1", f"{value:.4g}").replace("-", "−")


def set_scale(
    axes: Axes, which: Literal["x", "y"], ends: tuple[float, float], room: float, *, log: bool = False
) -> float:
    """Set an axis' limits and as many round ticks as fit.

    Args:
        axes: of the figure.
        which: of the two axes.
        ends: low < high; low > 0 with log.
        room: length of the axis in points.
        log: whether equal lengths are equal ratios.

    Returns:
        Width in points of the widest tick label.
    """
    ticks = _ticks(which, ends, room, log)
    scale: Literal["log", "linear"] = "log" if log else "linear"
    if which == "x":
        axes.set(xscale=scale, xlim=ends)
    else:
        axes.set(yscale=scale, ylim=ends)
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_locator(FixedLocator([value for value, _ in ticks]))
    axis.set_major_formatter(FixedFormatter([text for _, text in ticks]))
    axes.minorticks_off()
    return max((text_width(text, SMALL) for _, text in ticks), default=0.0)


def round_ticks(low: float, high: float, most: int) -> list[Tick]:
    """At most so many round numbers between two ends, with their texts."""
    return next(ticks for ticks in _offers(low, high, log=False) if len(ticks) <= most)


def _ticks(which: Literal["x", "y"], ends: tuple[float, float], room: float, log: bool) -> list[Tick]:
    """The first offer of at least two ticks that do not touch."""
    for ticks in _offers(*ends, log):
        if len(ticks) > 1 and _fits(ticks, ends, room, which, log):
            return ticks
    return []


def _offers(low: float, high: float, log: bool) -> Iterator[list[Tick]]:
    """Yield sets of ticks within the limits, those with most ticks first."""
    if log:
        yield from _log_offers(low, high)
    for count in range(7, 0, -1):
        values = MaxNLocator(count, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
        inside = [0.0 if abs(value) < 1e-9 * (high - low) else float(value) for value in values if low <= value <= high]
        yield list(zip(inside, spell(inside), strict=True))


def _log_offers(low: float, high: float) -> Iterator[list[Tick]]:
    first, last = floor(log10(low)), ceil(log10(high))
    for step, digits in LOG_STEPS:
        powers = [k for k in range(first, last + 1) if k % step == 0]
        values = [float(f"{digit}e{k}") for k in powers for digit in digits]
        yield [(value, spell_one(value)) for value in values if low <= value <= high]


def _fits(ticks: Sequence[Tick], ends: tuple[float, float], room: float, which: str, log: bool) -> bool:
    place = log10 if log else float
    scale = room / (place(ends[1]) - place(ends[0]))
    sizes = [text_width(text, SMALL) + GAP if which == "x" else 2 * SMALL for _, text in ticks]
    gaps = [(place(after) - place(before)) * scale for (before, _), (after, _) in pairwise(ticks)]
    return all(gap >= (a + b) / 2 for gap, a, b in zip(gaps, sizes, sizes[1:], strict=False))
