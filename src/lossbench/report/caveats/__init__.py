"""What limits a comparison: only the caveats that apply to it."""

from collections.abc import Callable, Iterator

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

About = Callable[[Findings], Iterator[str]]
"""What a comparison is asked for: the sentences of one kind of limit, none where it does not apply."""
ABOUT: tuple[About, ...] = (
    about_metric,
    about_seeds,
    about_looks,
    about_test_set,
    about_scale,
    about_epochs,
    about_optimiser,
    about_baseline_settings,
    about_best,
    about_runs_without_result,
    about_damage,
    about_origin,
)
"""All limits, in the order of the report."""


def find_caveats(findings: Findings) -> list[str]:
    """List what limits a comparison, one sentence each, in the order of the report."""
    return [line for about in ABOUT for line in about(findings)]
