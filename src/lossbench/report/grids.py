"""Swept numbers: the scores of one loss over one or two of its settings."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lossbench.report.arms import Arm
from lossbench.report.comparison import Comparison
from lossbench.report.records import Record
from lossbench.report.settings import is_number, rounded

LEAST_POINTS = 3  # on one swept number; two make no figure


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
        fixed: other settings that were swept too, at the values of the best arm; only arms and invalid cells with these
            are shown.
    """

    loss: str
    keys: tuple[str, ...]
    x: np.ndarray
    y: np.ndarray
    arms: Mapping[tuple[int, int], Arm]
    invalid: np.ndarray
    best: tuple[int, int]
    fixed: Mapping[str, Any]

    @property
    def names(self) -> list[str]:
        """The swept settings as axes and captions name them."""
        return [key.removeprefix("loss.") for key in self.keys]

    def mean(self, comparison: Comparison) -> np.ndarray:
        """(h, w) mean scores in the shown unit; nan where there is no run."""
        values = np.full(self.invalid.shape, np.nan)
        for (i, j), arm in self.arms.items():
            values[j, i] = comparison.unit.factor * comparison.summaries[arm.label].mean
        return values


def find_grids(comparison: Comparison, missing: Sequence[Record]) -> list[Grid]:
    """Find the losses that were swept over one or two numbers.

    Args:
        comparison: its arms are ordered from the best to the worst.
        missing: runs without a result; the invalid ones have settings.

    Returns:
        One grid for each loss with at least 3 values of a number; of more than two swept numbers the two with most
        values span it.
    """
    grids: list[Grid] = []
    for loss in dict.fromkeys(arm.loss for arm in comparison.arms):
        arms = [arm for arm in comparison.arms if arm.loss == loss and arm.label != comparison.twin]
        if keys := _swept(arms):
            invalid = [run.params for run in missing if run.state == "invalid" and run.params.get("loss.name") == loss]
            grids.append(_grid(loss, keys, arms, invalid, comparison))
    return grids


def _swept(arms: Sequence[Arm]) -> tuple[str, ...]:
    """The one or two swept numbers with most values; none where no number has enough of them."""
    values = {key: {arm.params.get(key) for arm in arms} for key in _numeric_keys(arms)}
    swept = sorted((key for key in values if len(values[key]) > 1), key=lambda key: (-len(values[key]), key))[:2]
    if not swept or len(values[swept[0]]) < LEAST_POINTS:
        return ()
    return tuple(sorted(swept))


def _numeric_keys(arms: Sequence[Arm]) -> set[str]:
    keys = {key for arm in arms for key in arm.settings}
    return {key for key in keys if all(is_number(arm.params.get(key)) for arm in arms)}


def _grid(
    loss: str,
    keys: tuple[str, ...],
    arms: Sequence[Arm],
    invalid: Iterable[Mapping[str, Any]],
    comparison: Comparison,
) -> Grid:
    sign = 1 if comparison.unit.higher_is_better else -1
    best = max(arms, key=lambda arm: sign * comparison.summaries[arm.label].mean)
    fixed = {key: best.params.get(key) for key in sorted({*best.settings} - {*keys, "loss.name"})}
    shown = [arm for arm in arms if _agrees(arm.params, fixed)]
    cells = _invalid_cells(invalid, keys, fixed)
    points = [*(_point(arm.params, keys) for arm in shown), *cells]
    x, y = _axis(points, 0), _axis(points, 1)
    places = {arm.label: _place(_point(arm.params, keys), x, y) for arm in shown}
    return Grid(
        loss=loss,
        keys=keys,
        x=x,
        y=y,
        arms={places[arm.label]: arm for arm in shown},
        invalid=_mask(cells, x, y),
        best=places[best.label],
        fixed=fixed,
    )


def _invalid_cells(
    invalid: Iterable[Mapping[str, Any]], keys: Sequence[str], fixed: Mapping[str, Any]
) -> list[list[float]]:
    return [_point(params, keys) for params in invalid if _agrees(params, fixed) and _has_numbers(params, keys)]


def _point(params: Mapping[str, Any], keys: Sequence[str]) -> list[float]:
    return [rounded(params[key]) for key in keys]


def _has_numbers(params: Mapping[str, Any], keys: Sequence[str]) -> bool:
    return all(is_number(params.get(key)) for key in keys)


def _axis(points: Sequence[Sequence[float]], k: int) -> np.ndarray:
    """The values of the k-th number, rising; nan for a number that was not swept."""
    return np.array(sorted({point[k] for point in points}) if len(points[0]) > k else [np.nan])


def _mask(cells: Sequence[Sequence[float]], x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(h, w) bool, whether a cell is one of those."""
    mask = np.zeros((len(y), len(x)), dtype=bool)
    for cell in cells:
        i, j = _place(cell, x, y)
        mask[j, i] = True
    return mask


def _place(point: Sequence[float], x: np.ndarray, y: np.ndarray) -> tuple[int, int]:
    """The x index and the y index of a point."""
    return int(np.searchsorted(x, point[0])), int(np.searchsorted(y, point[1])) if len(point) > 1 else 0


def _agrees(params: Mapping[str, Any], fixed: Mapping[str, Any]) -> bool:
    return all(_are_equal(params.get(key), value) for key, value in fixed.items())


def _are_equal(ours: Any, theirs: Any) -> bool:
    if is_number(ours) and is_number(theirs):
        return rounded(ours) == rounded(theirs)
    return ours == theirs
