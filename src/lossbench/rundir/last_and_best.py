"""The last epoch of a run beside its best by validation, and how well it fitted its labels, from its history."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from lossbench.metrics.units import unit_of


class Row(NamedTuple):
    """A line of metrics.csv.

    Args:
        step: updates done.
        epoch: counts from 0.
        value: of a metric.
    """

    step: int
    epoch: int
    value: float


FITTED = "train/fitted_clean", "train/fitted_flipped", "train/recovered"
"""How well labels are fitted where some were made wrong (docs/wrong_labels.md)."""


def of_history(history: str, monitor: str, tested: Mapping[str, float | None]) -> dict[str, Any]:
    """Give what result.json holds of a run's history.

    Args:
        history: the lines of metrics.csv.
        monitor: such as val/accuracy.
        tested: "last" and "best" -> the monitored metric on the test split with the weights of that epoch; None where
            it was not tested.

    Returns:
        last_and_best, where something was validated; and memorisation, where labels were made wrong.
    """
    found = _last_and_best(history, monitor, tested)
    fitted = {name.removeprefix("train/"): rows[-1].value for name in FITTED if (rows := _rows(history, name))}
    finite = {name: value for name, value in fitted.items() if math.isfinite(value)}
    return ({"last_and_best": found} if found else {}) | ({"memorisation": finite} if finite else {})


def _last_and_best(history: str, monitor: str, tested: Mapping[str, float | None]) -> dict[str, Any]:
    rows = [row for row in _rows(history, monitor) if math.isfinite(row.value)]
    if not rows:
        return {}
    sign = 1 if unit_of(monitor).higher_is_better else -1
    chosen = {"last": rows[-1], "best": max(rows, key=lambda row: sign * row.value)}  # of equal ones the first
    found: dict[str, Any] = {"metric": monitor.removeprefix("val/")}
    for name, row in chosen.items():
        found[name] = {"step": row.step, "epoch": row.epoch, "val": row.value}
        if (test := tested.get(name)) is not None:
            found[name]["test"] = test
    return found


def _rows(history: str, name: str) -> list[Row]:
    """The values of one name, in order."""
    cells = [line.split(",") for line in history.splitlines() if f",{name}," in line]
    return [Row(int(step), int(epoch), float(value)) for step, epoch, _, value in cells]
