"""Paired tests and intervals agree with SciPy and with their textbook definitions."""

import math

import numpy as np
import pytest
from scipy import stats

from lossbench.report.stats.paired import effect_size, probability_better


def drawn(n: int, seed: int = 0, mean: float = 0.3) -> np.ndarray:
    return np.random.default_rng((n, seed)).normal(mean, 1, n)


@pytest.mark.parametrize("n", [2, 8, 30])
def test_the_effect_size_is_t_by_the_root_of_n(n: int) -> None:
    d = drawn(n)
    assert effect_size(d) == pytest.approx(stats.ttest_1samp(d, 0).statistic / math.sqrt(n), rel=1e-9)
    assert effect_size(1000 * d) == pytest.approx(effect_size(d))


def test_the_effect_size_of_constant_differences_is_infinite_or_0() -> None:
    assert [effect_size(np.full(4, value)) for value in (0.1, -0.1, 0.0)] == [math.inf, -math.inf, 0]


@pytest.mark.parametrize(("wins", "n"), [(0, 1), (1, 1), (0, 12), (5, 12), (12, 12), (3, 100)])
def test_the_share_of_seeds_has_wilsons_interval(wins: int, n: int) -> None:
    share, low, high = probability_better(np.r_[np.ones(wins), -np.ones(n - wins)])
    reference = stats.binomtest(wins, n).proportion_ci(method="wilson")
    assert share == wins / n
    assert (low, high) == pytest.approx((reference.low, reference.high), abs=1e-12)
    assert 0 <= low <= share <= high <= 1


def test_ties_count_half() -> None:
    assert probability_better(np.array([1, 0, 0, -1]))[0] == 0.5
    assert probability_better(np.zeros(3)) == pytest.approx(
        (0.5, *(1 - x for x in probability_better(np.zeros(3))[:0:-1]))
    )
    share, low, high = probability_better(np.array([2.0, 0, 1]))
    assert (1 - share, 1 - high, 1 - low) == pytest.approx(probability_better(np.array([-2.0, 0, -1])))


@pytest.mark.parametrize("d", [np.array([]), np.ones((2, 2)), np.array([1, math.nan]), np.array([1, math.inf])])
def test_wrong_differences_are_refused(d: np.ndarray) -> None:
    for function in (effect_size, probability_better):
        with pytest.raises(ValueError, match="values must"):
            function(d)


def test_a_variance_needs_two_seeds() -> None:
    with pytest.raises(ValueError, match="n >= 2"):
        effect_size(np.ones(1))
