"""Whether so many replicates and comparisons can decide anything, and how many would."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from lossbench.launch.outlook.comparisons import PlannedComparison
from lossbench.report.arms import by_unit
from lossbench.report.formatting import counted, format_difference
from lossbench.report.records import Record
from lossbench.report.stats.differences import Spread
from lossbench.report.stats.planning import power, smallest_difference, units_needed
from lossbench.report.stats.sequential import least_units

FEWEST = 4  # units that an earlier pair of arms must share
DISAGREE, ADDED = 0.03, 0.5
"""Assumed where there are no earlier runs: the share of test examples that two losses decide differently, and the
standard deviation of the difference that replicates add, in margins."""
HOPELESS = 0.2
"""A sweep that finds differences as large as the margin, and equivalence, less often than this hardly decides."""


@dataclass(frozen=True)
class Outlook:
    """How often a comparison will be decided.

    Args:
        least: replicates or seeds without which nothing can be decided.
        found: chance to find a difference as large as the margin, or where there is none of one standard deviation.
        equivalent: chance to call losses equivalent that are; None without a margin.
        smallest: the smallest difference found in 80 %; None where nothing can be decided.
        needed: replicates or seeds that give both 80 %; None where 1,000 more do not.
        basis: where the spread is known from.
    """

    least: int
    found: float
    equivalent: float | None
    smallest: float | None
    needed: int | None
    basis: str


def outlook_of(comparison: PlannedComparison, earlier: Sequence[Record]) -> Outlook:
    """Say how often a planned comparison will be decided.

    Args:
        comparison: the plan.
        earlier: done runs of the same data and model.
    """
    spread, basis = _spread(comparison, earlier)
    family, margin = len(comparison.others), comparison.margin
    size = margin or 1.0
    asked = [units_needed(size, spread, family)]
    if margin is not None:
        asked.append(units_needed(0.0, spread, family, margin))
    return Outlook(
        least=least_units() or 2,
        found=power(size, spread, family).different,
        equivalent=None if margin is None else power(0.0, spread, family, margin).equivalent,
        smallest=smallest_difference(spread, family),
        needed=None if None in asked else max(each for each in asked if each is not None),
        basis=basis,
    )


def words_of(comparison: PlannedComparison, outlook: Outlook) -> str:
    """Word it in one line."""
    if comparison.units < outlook.least or outlook.smallest is None:
        return f"nothing: {comparison.counted_units()} can decide nothing, {outlook.least} are the least"
    found, needed = f"in {100 * outlook.found:.0f} %", _needed(outlook, comparison.config.kind)
    if comparison.margin is None or outlook.equivalent is None:
        return f"a difference of one standard deviation is found {found}; {needed} ({outlook.basis})"
    margin, smallest = (format_difference(size, comparison.unit) for size in (comparison.margin, outlook.smallest))
    equal = f"losses that are equal are called equivalent in {100 * outlook.equivalent:.0f} %"
    return f"a difference of {margin} is found {found} (of {smallest} in 80 %), {equal}; {needed} ({outlook.basis})"


def warning_of(comparison: PlannedComparison, outlook: Outlook) -> str | None:
    """What a sweep says at its start where it can decide nothing, or hardly anything; None where it can."""
    if comparison.units < outlook.least:
        return (
            f"this sweep can decide nothing: it compares {comparison.counted_units()}, "
            f"and {comparison.counted_units(outlook.least)} are the least"
        )
    if max(outlook.found, outlook.equivalent or 0.0) < HOPELESS:
        return f"this sweep will hardly decide anything: {words_of(comparison, outlook)}"
    return None


def _needed(outlook: Outlook, kind: str) -> str:
    if outlook.needed is None:
        return f"no number of {kind}s gives 80 % of both, more test examples might"
    return f"{outlook.needed} {kind}s give 80 % of both"


def _spread(comparison: PlannedComparison, earlier: Sequence[Record]) -> tuple[Spread, str]:
    """What differences vary by, and where that is known from."""
    units = max(comparison.units, 2)
    variances = _variances(comparison, earlier)
    if variances:
        known = f"from the spread of {counted(len(variances), 'earlier comparison')} on these data"
        return Spread(units, None, median(variances), 0.0, 0.0, _overlap(comparison)), known
    if comparison.margin is None:
        return Spread(units, None, 1.0, 0.0, 0.0), "in standard deviations of the paired differences"
    tested, added = comparison.sizes.tested(units), ADDED * comparison.margin
    share = f"{100 * DISAGREE:.0f} % of {tested:,} test examples"
    words = f"assumed: losses differ on {share}, {comparison.config.kind}s add "
    spread = Spread(units, tested, added**2, 0.0, DISAGREE)
    return spread, words + format_difference(added, comparison.unit)


def _overlap(comparison: PlannedComparison) -> float:
    """What resplits of one pool share (Nadeau and Bengio)."""
    examples = comparison.sizes.examples
    return 0.0 if comparison.sizes.folds is None else examples["test"] / examples["train"]


def _variances(comparison: PlannedComparison, earlier: Iterable[Record]) -> list[float]:
    """The variance of the paired differences of each earlier loss from the baseline's, where they vary."""
    data = (comparison.config.kind, comparison.config.fingerprint)
    arms = list(by_unit(record for record in earlier if _measured_on(record) == data).values())
    found: list[float] = []
    for ours in arms:
        if _loss(ours) == comparison.config.loss.name:
            found += [_variance(ours, theirs, comparison.metric) for theirs in arms]
    return [variance for variance in found if variance > 0]


def _variance(ours: Mapping[int, Record], theirs: Mapping[int, Record], metric: str) -> float:
    """The variance of the differences of two arms; 0 where they share too few units."""
    differences = _differences(ours, theirs, metric)
    return float(np.var(differences, ddof=1)) if len(differences) >= FEWEST else 0.0


def _measured_on(record: Record) -> tuple[str, str]:
    return record.done_result.kind, record.done_result.fingerprint


def _loss(runs: Mapping[int, Record]) -> str:
    return next(iter(runs.values())).done_result.loss


def _differences(ours: Mapping[int, Record], theirs: Mapping[int, Record], metric: str) -> list[float]:
    pairs = [(ours[unit].metrics.get(metric), theirs[unit].metrics.get(metric)) for unit in ours if unit in theirs]
    return [one - other for one, other in pairs if one is not None and other is not None]
