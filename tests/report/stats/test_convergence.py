"""Times and areas of curves are those of SciPy."""

import math

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import trapezoid

from lossbench.report.stats.convergence import area_under_curve, censored_median, first_reach


def test_the_first_step_at_the_threshold_counts_even_if_the_curve_falls_again() -> None:
    steps, values = np.array([10, 20, 30, 40]), np.array([0.2, 0.5, 0.4, 0.9])
    assert [first_reach(steps, values, t) for t in (0.1, 0.2, 0.5, 0.51, 0.9, 0.91)] == [10, 10, 20, 40, 40, None]


def test_a_diverged_run_reaches_nothing() -> None:
    assert first_reach(np.arange(3), np.array([0.1, math.nan, math.nan]), 0.5) is None
    assert first_reach(np.arange(3), np.array([math.nan, 0.6, math.nan]), 0.5) == 1


def scipys(times: np.ndarray, reached: np.ndarray) -> float | None:
    curve = stats.ecdf(stats.CensoredData.right_censored(times, ~reached)).sf
    there = np.flatnonzero(curve.probabilities <= 0.5 + 1e-12)
    return float(curve.quantiles[there[0]]) if len(there) else None


@pytest.mark.parametrize("n", [1, 2, 5, 12, 60])
@pytest.mark.parametrize("share", [0.2, 0.5, 0.8, 1.0])
def test_the_median_time_is_where_scipys_survival_curve_falls_to_a_half(n: int, share: float) -> None:
    for seed in range(25):
        stream = np.random.default_rng((n, seed))
        times, reached = stream.integers(1, 20, n).astype(float), stream.random(n) < share
        assert censored_median(times, reached) == scipys(times, reached)


def test_the_median_time_is_the_plain_one_if_all_get_there() -> None:
    times = np.array([5.0, 1, 9, 7, 3])
    assert censored_median(times, np.ones(5, dtype=bool)) == np.median(times)


def test_seeds_that_stopped_early_move_the_median_to_later() -> None:
    times = np.array([1.0, 2, 3, 4, 5, 6])
    late = np.array([True, False, True, False, True, True])
    assert censored_median(times, np.ones(6, dtype=bool)) == 3
    assert censored_median(times, late) == 5
    assert censored_median(times, np.zeros(6, dtype=bool)) is None
    # On paper 3/4 * 2/3 is exactly 1/2.
    assert censored_median(np.array([1.0, 2, 3, 4]), np.array([True, True, False, False])) == 2


@pytest.mark.parametrize("n", [2, 3, 50])
def test_the_area_is_that_of_scipy(n: int) -> None:
    stream = np.random.default_rng(n)
    steps, values = stream.random(n).cumsum(), stream.random(n)
    assert area_under_curve(steps, values) == pytest.approx(trapezoid(values, steps) / np.ptp(steps), rel=1e-12)


def test_the_area_is_a_mean_height() -> None:
    steps = np.array([0, 1, 10, 100])
    assert area_under_curve(steps, np.full(4, 0.3)) == pytest.approx(0.3)
    assert area_under_curve(7 * steps + 3, np.array([0.1, 0.5, 0.6, 0.7])) == pytest.approx(
        area_under_curve(steps, np.array([0.1, 0.5, 0.6, 0.7]))
    )
    assert area_under_curve(np.array([5]), np.array([0.4])) == 0.4


CURVES = [
    ([], []), ([1, 2], [1]), ([1, 1], [1, 2]), ([2, 1], [1, 2]), ([1, math.nan], [1, 2]), ([[1, 2]], [[1, 2]]),
]  # fmt: skip


@pytest.mark.parametrize(("steps", "values"), CURVES)
def test_wrong_curves_are_refused(steps: list[float], values: list[float]) -> None:
    with pytest.raises(ValueError, match="must"):
        first_reach(np.array(steps), np.array(values), 0.5)
    with pytest.raises(ValueError, match="must"):
        area_under_curve(np.array(steps), np.array(values))


def test_a_threshold_is_a_number() -> None:
    with pytest.raises(ValueError, match="threshold"):
        first_reach(np.arange(2), np.arange(2), math.nan)


def test_the_area_of_a_diverged_run_is_refused() -> None:
    with pytest.raises(ValueError, match="finite, got nan at 1"):
        area_under_curve(np.arange(2), np.array([1, math.nan]))


@pytest.mark.parametrize(("times", "reached"), [([], []), ([1.0], [1]), ([1.0, 2.0], [True]), ([math.inf], [True])])
def test_wrong_times_are_refused(times: list[float], reached: list[bool]) -> None:
    with pytest.raises(ValueError, match="must"):
        censored_median(np.array(times), np.array(reached))
