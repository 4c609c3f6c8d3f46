"""Paired differences of one arm from the baseline, and the variance of their mean over units and over test examples."""

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from lossbench.report.stats.summary import checked, deviation

Design = Literal["folds", "published", "split"]
"""How units were tested: replicates on folds of one pool or on one published test set, or seeds on one split."""


@dataclass(frozen=True)
class Differences:
    """Differences of one arm from the baseline over the units that both have; positive is better.

    Args:
        units: (R,) replicates or seeds, rising.
        means: (R,) difference of the compared metric on the test part of each unit.
        examples: (R, N) its parts by test example, nan where an example was not tested; the mean of a row is about
            means[row]. Columns are the distinct test examples of the whole comparison, the same for all arms. None
            where predictions were not kept.

    Raises:
        ValueError: on wrong shapes, units that do not rise, means that are not finite, a row without any example.
    """

    units: np.ndarray
    means: np.ndarray
    examples: np.ndarray | None = None

    def __post_init__(self) -> None:
        means = checked(self.means)
        if self.units.shape != means.shape or not (np.diff(self.units) > 0).all():
            raise ValueError(f"units must rise and have the shape of means, {means.shape}, got {self.units}")
        if self.examples is None:
            return
        if self.examples.ndim != 2 or len(self.examples) != len(means):
            raise ValueError(f"examples must have shape ({len(means)}, N), got {self.examples.shape}")
        if np.isnan(self.examples).all(1).any() or np.isinf(self.examples).any():
            raise ValueError("examples must be finite or nan, and no row may be all nan")


@dataclass(frozen=True)
class Spread:
    """What the mean difference varies by, in the squared unit of the score.

    Args:
        R: units.
        N: distinct test examples; None without their differences.
        s2_units: variance of the units' means; nan for R = 1.
        s2_inside: the part of s2_units that the choice of test examples alone gives.
        s2_examples: variance of the examples' mean differences; 0 without them.
        overlap: what resplits of one pool share, in units of s2_units (Nadeau and Bengio); 0 with examples.
        folds: whether the units resplit one pool. What their training sets share is in no part of the variance, and
            R - 1 degrees of freedom make up for it.
    """

    R: int
    N: int | None
    s2_units: float
    s2_inside: float
    s2_examples: float
    overlap: float = 0.0
    folds: bool = False

    def with_units(self, R: int) -> "Spread":
        """The spread that R units would have."""
        return replace(self, R=R)

    @property
    def var_examples(self) -> float:
        """The part of the variance that more units do not lower: s2_examples / N, or overlap * s2_units."""
        return self.overlap * self.s2_units if self.N is None else self.s2_examples / self.N

    @property
    def own(self) -> float:
        """Variance of a unit's mean beyond what its test examples give: max(0, s2_units - s2_inside)."""
        return max(0.0, self.s2_units - self.s2_inside)

    @property
    def var_units(self) -> float:
        """The part of the variance that the units add: own / R."""
        return self.own / self.R

    @property
    def se(self) -> float:
        """Standard error of the mean difference: sqrt(var_examples + var_units)."""
        return math.sqrt(self.var_examples + self.var_units)

    @property
    def df(self) -> float:
        """Degrees of freedom of se."""
        return float(self.errors(np.array([self.R]))[1][0])

    def errors(self, R: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Standard errors with several numbers of units, and their degrees of freedom by Satterthwaite.

        R - 1 for folds, and where units alone count; else more where examples do: (var_examples + own / R)^2 /
        (var_examples^2 / (N - 1) + (s2_units / R)^2 / (R - 1)), at least R - 1

        Args:
            R: (k,) units, >= 2.

        Returns:
            (k,) standard errors, and (k,) degrees of freedom.
        """
        variance, df = self.var_examples + self.own / R, R - 1.0
        if self.N is not None and self.N > 1 and not self.folds:
            noise = self.var_examples**2 / (self.N - 1) + (self.s2_units / R) ** 2 / np.maximum(df, 1)
            df = np.maximum(df, np.divide(variance**2, noise, out=np.zeros(len(R)), where=noise > 0))
        return np.sqrt(variance), df


def spread(differences: Differences, design: Design, test_per_train: float | None = None) -> Spread:
    """Estimate what the mean difference of an arm varies by.

    With h (R, N) the differences by example::

        s2_units     variance of the units' means
        s2_examples  variance of the examples' means over the units that tested them
        s2_inside    folds: mean over units of var(h[r]) / (examples tested by r)
                     else: sum (h - row mean - column mean + mean)^2 / ((R - 1) (N - 1)) / N

    so that folds give the sum of examples and replicates, and one test set the two-way form s2_units / R +
    s2_examples / N - s2_residual / (R N). Without h: Nadeau and Bengio's variance s2_units (1 / R + test_per_train) for
    folds; else s2_units / R, which says nothing of other test examples.

    Args:
        differences: of the arm.
        design: how the units were tested.
        test_per_train: test examples for each training example; needed for folds without h.

    Returns:
        The spread; nan in s2_units for R = 1, in s2_examples for N = 1.

    Raises:
        ValueError: folds with neither examples nor test_per_train.

    Reference:
        Nadeau and Bengio 2003, Inference for the Generalization Error; Owen 2007, The Pigeonhole Bootstrap.
    """
    R, s2_units = len(differences.means), deviation(differences.means) ** 2
    if differences.examples is None:
        if design == "folds" and test_per_train is None:
            raise ValueError("folds without differences by example need test_per_train")
        return Spread(R, None, s2_units, 0.0, 0.0, test_per_train or 0.0 if design == "folds" else 0.0)
    h = differences.examples[:, ~np.isnan(differences.examples).all(0)].astype(np.float64)
    N = h.shape[1]
    if R == 1 or N == 1:
        return Spread(R, N, s2_units, 0.0, math.nan, folds=design == "folds")
    columns = np.nanmean(h, 0)
    inside = _sampling(h) if design == "folds" else _residual(h, columns) / N
    return Spread(R, N, s2_units, inside, deviation(columns) ** 2, folds=design == "folds")


def _sampling(h: np.ndarray) -> float:
    """Mean over rows of their variance divided by the examples tested; a row of one example gives no variance."""
    tested = (~np.isnan(h)).sum(1)
    centred = h - np.nanmean(h, 1, keepdims=True)
    several = tested > 1
    if not several.any():
        return 0.0
    squares: np.ndarray = np.nansum(centred[several] ** 2, 1)
    return float((squares / (tested[several] - 1) / tested[several]).mean())


def _residual(h: np.ndarray, columns: np.ndarray) -> float:
    """Variance of what is left after the means of rows and columns."""
    rest = h - columns
    rest -= np.nanmean(rest, 1, keepdims=True)
    R, N = h.shape
    return float(np.nansum(rest**2) / ((R - 1) * (N - 1)))
