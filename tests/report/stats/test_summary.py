"""Summaries over seeds are those of SciPy, and their intervals hold the mean as often as they say."""

import math

import numpy as np
import pytest
from scipy import stats

from lossbench.report.stats.summary import summarise, t_interval


@pytest.mark.parametrize("n", [2, 3, 12, 100])
@pytest.mark.parametrize("level", [0.5, 0.95, 0.99])
def test_the_t_interval_is_that_of_scipy(n: int, level: float) -> None:
    values = np.random.default_rng(n).normal(3, 2, n)
    tested = stats.ttest_1samp(values, 0).confidence_interval(level)
    assert t_interval(values, level) == pytest.approx(
        stats.t.interval(level, n - 1, values.mean(), stats.sem(values)), rel=1e-9
    )
    assert t_interval(values, level) == pytest.approx((tested.low, tested.high), rel=1e-9)


@pytest.mark.parametrize("n", [5, 8, 12, 20])
def test_95_percent_intervals_hold_the_mean_in_95_percent_of_studies(n: int) -> None:
    ends = np.array([t_interval(values) for values in np.random.default_rng(n).normal(0.7, 0.02, (4000, n))])
    covered = ((ends[:, 0] <= 0.7) & (ends[:, 1] >= 0.7)).mean()
    print(f"95 % t interval, n = {n}: covers {covered:.4f}")
    assert 0.93 <= covered <= 0.97


@pytest.mark.parametrize("n", range(1, 14))
def test_the_interquartile_mean_is_the_trimmed_mean_of_scipy(n: int) -> None:
    values = np.random.default_rng(n).standard_cauchy(n)
    middle = sorted(values.tolist())[n // 4 : n - n // 4]
    assert summarise(values).iqm == pytest.approx(stats.trim_mean(values, 0.25), rel=1e-12)
    assert summarise(values).iqm == pytest.approx(sum(middle) / len(middle), rel=1e-12)


def test_a_summary_holds_the_usual_numbers() -> None:
    values = np.array([3, 1, 2, 10])
    found = summarise(values)
    assert (found.n, found.mean, found.median, found.iqm) == (4, 4, 2.5, 2.5)
    assert found.sd == pytest.approx(math.sqrt((1 + 9 + 4 + 36) / 3))
    assert (found.low, found.high) == t_interval(values)


def test_one_bad_seed_moves_the_mean_but_not_the_interquartile_mean() -> None:
    good, bad = np.full(12, 0.9), np.r_[np.full(11, 0.9), 0.1]
    assert summarise(bad).mean < 0.84
    assert summarise(bad).iqm == pytest.approx(summarise(good).iqm)


def test_a_single_seed_has_no_interval() -> None:
    found = summarise(np.array([0.5]))
    assert (found.n, found.mean, found.median, found.iqm) == (1, 0.5, 0.5, 0.5)
    assert all(map(math.isnan, (found.sd, found.low, found.high)))


@pytest.mark.parametrize("values", [np.full(5, 0.1), np.zeros(3), np.array([0.3 - 0.2, 0.2 - 0.1, 0.1])])
def test_values_that_differ_by_rounding_only_have_a_point_as_interval(values: np.ndarray) -> None:
    found = summarise(values)
    assert (found.sd, found.low, found.high) == (0, found.mean, found.mean)


@pytest.mark.parametrize(
    "values", [np.array([]), np.ones((2, 2)), np.array(1.0), np.array([1, math.nan]), np.array([math.inf, 1])]
)
def test_wrong_values_are_refused(values: np.ndarray) -> None:
    with pytest.raises(ValueError, match="values must"):
        summarise(values)
    with pytest.raises(ValueError, match="values must"):
        t_interval(values)


@pytest.mark.parametrize("level", [0, 1, -1, 95, math.nan])
def test_a_level_is_a_fraction(level: float) -> None:
    with pytest.raises(ValueError, match="level"):
        t_interval(np.arange(3), level)


def test_an_interval_needs_two_seeds() -> None:
    with pytest.raises(ValueError, match="n >= 2"):
        t_interval(np.ones(1))
