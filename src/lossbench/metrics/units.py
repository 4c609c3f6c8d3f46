"""How metrics are shown: unit, factor, digits, and which way is better. Torch-free."""

from typing import NamedTuple

from lossbench.metrics.registry import METRICS

POINT = 0.01  # of a fraction shown in percent: the margin below which a difference is taken not to matter
LOSSES = {"cross_entropy": "nats", "kl_div": "nats"}  # losses with a unit, as yardsticks or terms of another one


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
    definition = METRICS.get(name)
    higher = definition is not None and definition.higher_is_better
    unit = LOSSES.get(name, "") if definition is None else definition.unit
    return Unit("%", "points", 100, 2, higher, POINT) if unit == "%" else Unit(unit, unit, 1, 4, higher, None)
