"""What a report is made from: a comparison, the measures of its arms, and the runs without a result."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lossbench.report.compare import compare_arms
from lossbench.report.comparison import Comparison
from lossbench.report.measures import Measures, measure_arms
from lossbench.report.records import Record, split_done
from lossbench.report.spec import ComparisonSpec


@dataclass(frozen=True)
class Findings:
    """What a report is made from.

    Args:
        comparison: of the arms of the done runs with a baseline.
        measures: label -> what else was measured of an arm.
        threshold: validation score whose reaching is timed, stored unit; None without a baseline or its curves.
        missing: runs without a result.
        damaged: files of done runs that could not be read, each with the reason and what is missing therefore.
    """

    comparison: Comparison
    measures: Mapping[str, Measures]
    threshold: float | None
    missing: Sequence[Record]
    damaged: Sequence[str]


def find(records: Sequence[Record], spec: ComparisonSpec) -> Findings:
    """Compare the arms of some runs and measure them.

    Args:
        records: comparable runs, at least one of them done.
        spec: the baseline, the metric and the margin.

    Raises:
        UserError: the runs cannot be compared.
    """
    done, missing = split_done(records)
    comparison = compare_arms(done, spec, missing)
    measured = measure_arms(comparison)
    return Findings(comparison, measured.of_arm, measured.threshold, missing, [*comparison.damaged, *measured.damaged])
