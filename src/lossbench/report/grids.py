"""Swept numbers: the scores of one loss over one or two of its settings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lossbench.report.arms import Arm
from lossbench.report.comparison import Answer
from lossbench.report.records import Record

LEAST_POINTS = 3  # on one swept number; two make no picture


@dataclass(frozen=True)
class Grid:
    """The arms of one loss over one or two swept numbers.

    Args:
        loss: its name.
        keys: the swept settings, x first.
        x: (w,) values of the first, rising.
        y: (h,) values of the second, rising; (1,) nan where one number was swept.
        arms: (x index, y index) -> arm.
        invalid: (h, w) bool, cells for which the loss is not defined.
        best: the cell with the best mean.
        fixed: other settings that were swept too, at the values of the best arm; only arms and invalid cells with these are shown.
    """

    loss: str
    keys: tuple[str, ...]
    x: np.ndarray
    y: np.ndarray
    arms: Mapping[tuple[int, int], Arm]
    invalid: np.ndarray
    best: tuple[int, int]
    fixed: Mapping[str, Any]

    def mean(self, answer: Answer) -> np.ndarray:
        """(h, w) mean scores in the shown unit; nan where there is no run."""
        values = np.full(self.invalid.shape, np.nan)
        for (i, j), arm in self.arms.items():
            values[j, i] = answer.unit.factor * answer.summaries[arm.label].mean
        return values


def find_grids(answer: Answer, missing: Sequence[Record]) -> list[Grid]:
    """Find the losses that were swept over one or two numbers.

    Args:
        answer: its arms are ordered from the best to the worst.
        missing: runs without a result; the invalid ones know their settings.

    Returns:
        One grid for each loss with at least 3 values of a number; of more than two swept numbers the two with most values span it.
    """
    grids = []
    for loss in dict.fromkeys(arm.loss for arm in answer.arms):
        arms = [arm for arm in answer.arms if arm.loss == loss]
        invalid = [run.params for run in missing if run.state == "invalid" and run.params.get("loss.name") == loss]
        if grid := _grid(loss, arms, invalid, answer):
            grids.append(grid)
    return grids


def _grid(loss: str, arms: Sequence[Arm], invalid: Sequence[Mapping[str, Any]], answer: Answer) -> Grid | None:
    keys = sorted({key for arm in arms for key in arm.settings})
    swept = {
        key: {arm.params.get(key) for arm in arms if _is_number(arm.params.get(key))}
        for key in keys
        if _all_numbers(arms, key)
    }
    swept = {key: values for key, values in swept.items() if len(values) > 1}
    chosen = tuple(sorted(sorted(swept, key=lambda key: -len(swept[key]))[:2]))
    if not chosen or max(len(swept[key]) for key in chosen) < LEAST_POINTS:
        return None
    sign = 1 if answer.unit.higher_is_better else -1
    best = max(arms, key=lambda arm: sign * answer.summaries[arm.label].mean)
    fixed = {
        key: best.params.get(key) for key in keys if key not in chosen and key in best.settings and key != "loss.name"
    }
    shown = [arm for arm in arms if _agrees(arm.params, fixed)]
    undefined = [
        params for params in invalid if _agrees(params, fixed) and all(_is_number(params.get(key)) for key in chosen)
    ]
    cells = [[_rounded(params.get(key)) for key in chosen] for params in undefined]
    points = {arm.label: [_rounded(arm.params[key]) for key in chosen] for arm in shown}
    axes = [np.array(sorted({point[k] for point in [*points.values(), *cells]})) for k in range(len(chosen))]
    x, y = axes[0], axes[1] if len(axes) > 1 else np.array([np.nan])

    def place(point: Sequence[float]) -> tuple[int, int]:
        return int(np.searchsorted(x, point[0])), int(np.searchsorted(y, point[1])) if len(point) > 1 else 0

    mask = np.zeros((len(y), len(x)), dtype=bool)
    for cell in cells:
        i, j = place(cell)
        mask[j, i] = True
    return Grid(
        loss, chosen, x, y, {place(points[arm.label]): arm for arm in shown}, mask, place(points[best.label]), fixed
    )


def _agrees(params: Mapping[str, Any], fixed: Mapping[str, Any]) -> bool:
    found = ((params.get(key), value) for key, value in fixed.items())
    return all(
        ours == value or (_is_number(ours) and _is_number(value) and _rounded(ours) == _rounded(value))
        for ours, value in found
    )


def _all_numbers(arms: Sequence[Arm], key: str) -> bool:
    return all(_is_number(arm.params.get(key)) for arm in arms)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _rounded(value: Any) -> float:
    return float(f"{value:.12g}")  # a range gives 0.30000000000000004
