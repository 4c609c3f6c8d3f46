"""What limits a comparison: only the caveats that apply to it."""

from lossbench.report.caveats.epochs import about_epochs
from lossbench.report.caveats.examples import about_metric, about_scale, about_test_set
from lossbench.report.caveats.looks import about_looks
from lossbench.report.caveats.runs import (
    about_baseline_settings,
    about_best,
    about_damage,
    about_optimiser,
    about_origin,
    about_runs_without_result,
)
from lossbench.report.caveats.seeds import about_seeds
from lossbench.report.findings import Findings


def find_caveats(findings: Findings) -> list[str]:
    """List what limits a comparison, one sentence each, in the order of the report."""
    return [
        *about_metric(findings),
        *about_seeds(findings),
        *about_looks(findings),
        *about_test_set(findings),
        *about_scale(findings),
        *about_epochs(findings),
        *about_optimiser(findings),
        *about_baseline_settings(findings),
        *about_best(findings),
        *about_runs_without_result(findings),
        *about_damage(findings),
        *about_origin(findings),
    ]
