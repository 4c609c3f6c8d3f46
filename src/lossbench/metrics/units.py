"""How metrics are shown: unit, factor, digits, and which way is better."""

from typing import NamedTuple

PERCENT = ("accuracy", "top5_accuracy", "balanced_accuracy", "macro_f1", "error_rate", "pair_accuracy")
NATS = ("nll", "nll_scaled", "cross_entropy", "kl", "kl_div")
DEGREES = ("angle", "angle_similar")
HIGHER_IS_BETTER = (
    "accuracy",
    "top5_accuracy",
    "balanced_accuracy",
    "macro_f1",
    "true_class_probability",
    "pair_accuracy",
    "r2",
)
HEADLINES = (
    "accuracy",
    "pair_accuracy",
    "angle",
    "kl",
    "deviance",
    "mae",
)  # of each task one: the first of them that it measures
POINT = 0.01  # of an accuracy: the margin below which a difference is taken not to matter


class Unit(NamedTuple):
    """How a metric is shown."""

    name: str  # "%", "nats", "degrees" or "" where the metric is a plain number
    difference: str  # the unit of a difference: "points" of percent
    factor: float  # from the stored value to the shown one
    digits: int
    higher_is_better: bool
    margin: float | None  # stored unit; None where nothing is customary


def unit_of(metric: str) -> Unit:
    """Say how a metric is shown.

    Args:
        metric: with or without its split, e.g. "test/accuracy".

    Returns:
        Its unit; a metric that is not known is a plain number of which less is better, as of a loss.
    """
    name = metric.rpartition("/")[2]
    higher = name in HIGHER_IS_BETTER
    if name in PERCENT:
        return Unit("%", "points", 100, 2, higher, POINT)
    unit = "nats" if name in NATS else "degrees" if name in DEGREES else ""
    return Unit(unit, unit, 1, 4, higher, None)
