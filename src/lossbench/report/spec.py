"""What a report compares. Light: a sweep checks it before anything runs."""

from dataclasses import dataclass

DEFAULT_BASELINE = "cross_entropy"


@dataclass(frozen=True)
class ComparisonSpec:
    """What is compared, with what, and from which difference on it matters.

    Args:
        baseline: a loss, or the label of an arm, that the others are compared with; the default gives way to mse where
            no run has it.
        metric: what is compared, e.g. test/accuracy; None is the test value of what the runs monitor.
        margin: differences below it do not matter, in the stored unit of the metric; None is what is customary (one
            point of accuracy).
    """

    baseline: str = DEFAULT_BASELINE
    metric: str | None = None
    margin: float | None = None
