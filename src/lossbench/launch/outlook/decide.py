"""Whether so many replicates and comparisons can decide anything, and how many would."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from lossbench.launch.outlook.comparisons import PlannedComparison
from lossbench.report.arms import Arm, make_arms
from lossbench.report.formatting import counted, format_difference
from lossbench.report.outcomes import find_outcomes
from lossbench.report.records import Record
from lossbench.report.stats.differences import Differences, Spread, spread
from lossbench.report.stats.planning import power, smallest_difference, units_needed
from lossbench.report.stats.sequential import least_units

FEWEST, MOST = 4, 5  # units that an earlier pair of arms must share, and pairs that are read
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
    expected, basis = _spread(comparison, earlier)
    family, look, margin = comparison.corrected_for, comparison.look, comparison.margin
    size = margin or 1.0
    asked = [units_needed(size, expected, family, look=look)]
    if margin is not None:
        asked.append(units_needed(0.0, expected, family, margin, look))
    return Outlook(
        least=least_units(look) or 2,
        found=power(size, expected, family, look=look).different,
        equivalent=None if margin is None else power(0.0, expected, family, margin, look).equivalent,
        smallest=smallest_difference(expected, family, look),
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
    known = _known_spreads(comparison, earlier)
    if known:
        middle = sorted(known, key=lambda each: each.se)[len(known) // 2].with_units(units)
        if middle.N is not None:
            middle = replace(middle, N=max(middle.N, comparison.sizes.tested(units)))
        return middle, f"from the spread of {counted(len(known), 'earlier comparison')} on these data"
    if comparison.margin is None:
        return Spread(units, None, 1.0, 0.0, 0.0), "in standard deviations of the paired differences"
    tested, added = comparison.sizes.tested(units), ADDED * comparison.margin
    share = f"{100 * DISAGREE:.0f} % of {tested:,} test examples"
    words = f"assumed: losses differ on {share}, {comparison.config.kind}s add "
    return Spread(units, tested, added**2, 0.0, DISAGREE), words + format_difference(added, comparison.unit)


def _known_spreads(comparison: PlannedComparison, earlier: Iterable[Record]) -> list[Spread]:
    """The spread of the differences of earlier losses from the baseline's, where they vary."""
    data = (comparison.config.kind, comparison.config.fingerprint)
    arms = make_arms([record for record in earlier if _measured_on(record) == data and not record.trial])
    baselines = [arm for arm in arms if arm.loss == comparison.config.loss.name]
    if not baselines:
        return []
    baseline = max(baselines, key=lambda arm: len(arm.runs))
    found = (
        spread(each, comparison.design, _test_per_train(comparison)) for each in _pairs(comparison, baseline, arms)
    )
    return [each for each in found if each.se > 0]


def _pairs(comparison: PlannedComparison, baseline: Arm, arms: Iterable[Arm]) -> list[Differences]:
    """The differences of some arms that share enough units with a baseline."""
    others = [arm for arm in arms if arm is not baseline and _share(arm, baseline, comparison.metric) >= FEWEST][:MOST]
    better = comparison.unit.higher_is_better
    outcomes = find_outcomes([baseline, *others], comparison.metric, comparison.design, higher_is_better=better)
    return [outcomes.differences(arm, baseline, 1) for arm in others]


def _share(arm: Arm, baseline: Arm, metric: str) -> int:
    return len(arm.scores(metric).keys() & baseline.scores(metric).keys())


def _test_per_train(comparison: PlannedComparison) -> float:
    examples = comparison.sizes.examples
    return examples["test"] / examples["train"]


def _measured_on(record: Record) -> tuple[str, str]:
    return record.done_result.kind, record.done_result.fingerprint
