"""Sums of differences at several doses with weights: trends, and differences between two doses."""

from collections.abc import Sequence
from functools import reduce

import numpy as np

from lossbench.report.stats.differences import Differences


def trend_weights(x: np.ndarray) -> np.ndarray:
    """Weights of the change of a fitted line over the range of x: slope by least squares times max - min.

    c_k = (x_k - mean) (max - min) / sum (x_j - mean)^2

    Args:
        x: (k,) places of the doses, k >= 2, not all the same.

    Returns:
        (k,) weights, which sum to 0; -1 and 1 of two doses.

    Raises:
        ValueError: on fewer than two places, or places that are all the same.
    """
    centred = x - x.mean()
    if len(x) < 2 or not centred.any():
        raise ValueError(f"x must hold at least two different places, got {x}")
    return centred * np.ptp(x) / (centred**2).sum()


def contrast(weights: np.ndarray, differences: Sequence[Differences]) -> Differences | None:
    """Sum the differences of one arm at several doses, unit by unit and example by example.

    Args:
        weights: (k,) one a dose.
        differences: (k,) of the arm at each dose, on the same columns of examples.

    Returns:
        sum c_k d_k over the units that all doses share; None where they share none. Examples are those tested at all
        doses, and None where a dose has none.
    """
    units = shared_units(differences)
    if not len(units):
        return None
    rows = [np.searchsorted(one.units, units) for one in differences]
    means = sum(c * one.means[row] for c, one, row in zip(weights, differences, rows, strict=True))
    return Differences(units, np.asarray(means), _by_example(weights, differences, rows))


def shared_units(differences: Sequence[Differences]) -> np.ndarray:
    """The units that all of them have, rising."""
    return reduce(np.intersect1d, [one.units for one in differences])


def _by_example(
    weights: np.ndarray, differences: Sequence[Differences], rows: Sequence[np.ndarray]
) -> np.ndarray | None:
    total: np.ndarray | None = None
    for c, one, row in zip(weights, differences, rows, strict=True):
        if one.examples is None:
            return None
        part = c * one.examples[row].astype(np.float64)
        total = part if total is None else total + part
    return total
