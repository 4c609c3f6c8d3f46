"""An arm beside the baseline: what a verdict is made from."""

from collections.abc import Mapping
from typing import NamedTuple

from lossbench.report.stats.differences import Differences


class Compared(NamedTuple):
    """An arm beside the baseline.

    Args:
        label: of the arm; empty of an arm of the family that is not in the report.
        differences: arm minus baseline, positive is better.
        scores: unit -> scores of the arm and of the baseline, nan of a diverged run.
        collapsed: units in which the arm diverged or collapsed.
        barred: words that may not be said of it.
    """

    label: str
    differences: Differences
    scores: Mapping[int, tuple[float, float]]
    collapsed: int = 0
    barred: frozenset[str] = frozenset()
