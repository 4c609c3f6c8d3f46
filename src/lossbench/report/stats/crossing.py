"""Where the score of a loss, drawn straight between doses, crosses that of the baseline."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit  # pyright: ignore[reportMissingTypeStubs]

from lossbench.report.stats.contrast import contrast
from lossbench.report.stats.differences import Design, Differences, spread
from lossbench.report.stats.max_t import MOST_DF
from lossbench.report.stats.sequential import ALPHA

STEPS = 40  # places that are tried between two doses


@dataclass(frozen=True)
class Crossing:
    """A place where the mean difference changes its sign.

    Args:
        at: the place.
        low: lower end of its 95 % interval; -inf where it reaches beyond the first dose.
        high: upper end; inf where it reaches beyond the last dose.
        rises: whether the loss is above the baseline beyond it.
    """

    at: float
    low: float
    high: float
    rises: bool


def find_crossings(
    x: np.ndarray, differences: Sequence[Differences], design: Design, test_per_train: float | None = None
) -> list[Crossing]:
    """Find where the mean difference, straight between doses, changes its sign, each with a 95 % interval.

    The interval holds the places around it where a difference of 0 is not rejected: |d(x)| <= t(0.975, df) se(x), with
    d(x) and se(x) of the interpolated differences of units and examples (Fieller's way). It holds where the straight
    lines between the true scores cross, and is not corrected for other comparisons.

    Args:
        x: (k,) places of the doses, rising.
        differences: (k,) of the loss at each dose, positive is better.
        design: how the units were tested.
        test_per_train: test examples for each training example; folds need it where there are no examples.

    Returns:
        The crossings, rising; none where fewer than two doses share units.

    Reference:
        Fieller 1954, Some Problems in Interval Estimation (intervals of ratios by inverting a test).
    """
    means = np.array([one.means.mean() for one in differences])
    found: list[Crossing] = []
    if not (means[:-1] * means[1:] < 0).any():
        return found
    places, open_at = _open_places(x, differences, design, test_per_train)
    for k in range(len(x) - 1):
        if means[k] * means[k + 1] < 0:
            at = float(x[k] + (x[k + 1] - x[k]) * means[k] / (means[k] - means[k + 1]))
            found.append(Crossing(at, *_around(at, places, open_at), bool(means[k + 1] > 0)))
    return found


def _open_places(
    x: np.ndarray, differences: Sequence[Differences], design: Design, test_per_train: float | None
) -> tuple[np.ndarray, np.ndarray]:
    """Places between the first and the last dose, and at which of them a difference of 0 is not rejected."""
    places: list[float] = []
    is_open: list[bool] = []
    for k in range(len(x) - 1):
        for share in np.linspace(0, 1, STEPS + 1)[: None if k == len(x) - 2 else -1]:
            between = contrast(np.array([1 - share, share]), differences[k : k + 2])
            places.append(float(x[k] + share * (x[k + 1] - x[k])))
            is_open.append(between is None or _is_open(between, design, test_per_train))
    return np.array(places), np.array(is_open)


def _is_open(one: Differences, design: Design, test_per_train: float | None) -> bool:
    its = spread(one, design, test_per_train)
    if math.isnan(its.se):
        return True
    return bool(abs(one.means.mean()) <= stdtrit(min(its.df, MOST_DF), 1 - ALPHA / 2) * its.se)


def _around(at: float, places: np.ndarray, is_open: np.ndarray) -> tuple[float, float]:
    """The ends of the open places around a place; infinite where they reach the last one on a side."""
    before, after = places <= at, places >= at
    shut_before, shut_after = places[before & ~is_open], places[after & ~is_open]
    low = float(shut_before[-1]) if len(shut_before) else -math.inf
    high = float(shut_after[0]) if len(shut_after) else math.inf
    return low, high
