"""From runs to a comparison: arms, their outcomes, a baseline, and the verdicts."""

from collections.abc import Sequence
from dataclasses import replace

from lossbench.report.arms import Arm, make_arms
from lossbench.report.comparable import require_comparable
from lossbench.report.comparison import Comparison
from lossbench.report.family import other_arms
from lossbench.report.frozen import are_frozen, one_seed_of_each
from lossbench.report.outcomes import failed_units, has_diverged, is_spoilt
from lossbench.report.pairing import Frame
from lossbench.report.records import Record
from lossbench.report.scored import score_arms, with_verdicts
from lossbench.report.spec import ComparisonSpec

OPEN = ("planned", "running", "preempted", "cancelled")


def compare_arms(records: Sequence[Record], spec: ComparisonSpec, missing: Sequence[Record] = ()) -> Comparison:
    """Compare the arms of some done runs with a baseline, paired by replicate or seed.

    Args:
        records: done runs, at least one.
        spec: the baseline, the metric and the margin.
        missing: runs of the same sweep without a result: while any is still to be done nothing is judged; diverged ones
            are outcomes, other failed ones are named.

    Returns:
        The comparison; the look at it has been recorded beside the baseline's runs.

    Raises:
        UserError: the runs cannot be compared, or the metric or the baseline does not exist.
    """
    require_comparable(records)
    arms, copies = all_arms(records, missing)
    frozen = are_frozen(arms)
    comparison, outcomes = score_arms(one_seed_of_each(arms) if frozen else arms, spec)
    comparison = with_missing(replace(comparison, frozen=frozen, copies=copies), missing)
    baseline = comparison.baseline
    if baseline is None:
        return comparison
    extras = other_arms(baseline, comparison.arms, comparison.metric) if baseline.runs else []
    return with_verdicts(comparison, baseline, outcomes, Frame(extras))


def all_arms(records: Sequence[Record], missing: Sequence[Record]) -> tuple[list[Arm], int]:
    """Make the arms of runs that are done or diverged; also count the runs that are there twice."""
    finite = [record for record in records if not is_spoilt(record)] or records
    spoilt = [] if finite is records else [*filter(is_spoilt, records)]
    arms = make_arms(finite, [*spoilt, *filter(has_diverged, missing)])
    return arms, len(finite) - sum(len(arm.runs) for arm in arms)


def with_missing(comparison: Comparison, missing: Sequence[Record]) -> Comparison:
    """Say which runs failed or are still to be done."""
    unfinished = {arm.label: failed_units(arm, missing) for arm in comparison.arms}
    return replace(
        comparison,
        unfinished={label: units for label, units in unfinished.items() if units},
        provisional=still_to_do(comparison.arms, missing),
    )


def still_to_do(arms: Sequence[Arm], missing: Sequence[Record]) -> int:
    """Count the runs that are planned, running or stopped, of these arms or of others on the same data and model."""
    results = [run.done_result for arm in arms for run in arm.runs.values()]
    settings = tuple({f"{result.data}-{result.model}-" for result in results})
    return sum(record.state in OPEN and record.name.setting.startswith(settings) for record in missing)
