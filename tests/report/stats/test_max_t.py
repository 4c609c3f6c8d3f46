"""Step-down max-T agrees with Dunnett's test, with Sidak's correction and with one comparison alone."""

import numpy as np
import pytest
from scipy import stats

from lossbench.report.stats.max_t import MaxT, two_sided


def equicorrelated(m: int, rho: float) -> np.ndarray:
    return np.full((m, m), rho) + (1 - rho) * np.eye(m)


def test_one_comparison_is_not_corrected() -> None:
    one = MaxT(np.eye(1), np.array([7.0]))
    assert one.two_sided().adjust(np.array([0.031]), np.array([0])).tolist() == [0.031]
    assert one.two_sided().level(0.05) == pytest.approx(0.05, rel=1e-6)


@pytest.mark.parametrize("m", [3, 9])
def test_with_many_degrees_it_is_the_multivariate_normal(m: int) -> None:
    C = equicorrelated(m, 0.5)
    limit = stats.norm.isf(MaxT(C, np.full(m, 1e9)).two_sided().level(0.05) / 2)
    inside = stats.multivariate_normal.cdf(
        np.full(m, limit), cov=C, lower_limit=np.full(m, -limit), rng=np.random.default_rng(0)
    )
    assert inside == pytest.approx(0.95, abs=0.004)


def test_with_few_degrees_it_is_what_samples_of_that_size_give() -> None:
    """Each comparison has a standard deviation of its own, unlike in a multivariate t with a common one."""
    m, n = 6, 8
    scores = np.random.default_rng(0).normal(size=(40_000, n, m + 1)).astype(np.float32)
    d = scores[:, :, 1:] - scores[:, :, :1]
    t = d.mean(1) / d.std(1, ddof=1) * np.sqrt(n)
    wanted = np.quantile(two_sided(t, n - 1.0).min(1), 0.05)
    assert MaxT(equicorrelated(m, 0.5), np.full(m, n - 1.0)).two_sided().level(0.05) == pytest.approx(wanted, rel=0.06)


def test_a_loss_entered_twice_counts_once() -> None:
    twice = MaxT(np.ones((2, 2)), np.array([9.0, 9.0]))
    assert twice.two_sided().level(0.05) == pytest.approx(0.05, rel=0.08)


def test_absent_comparisons_are_independent_ones() -> None:
    p, order = np.array([0.004, 0.2]), np.array([0, 1])
    given, absent = MaxT(np.eye(8), np.full(8, 20.0)), MaxT(np.eye(2), np.full(2, 20.0), absent=6)
    padded = given.two_sided().adjust(np.r_[p, np.ones(6)], np.arange(8))[:2]
    assert absent.two_sided().adjust(p, order) == pytest.approx(padded, abs=0.01)
    assert absent.two_sided().level(0.05) == pytest.approx(given.two_sided().level(0.05), rel=0.08)


def test_later_steps_are_milder_and_nothing_is_below_raw_or_above_bonferroni() -> None:
    p = np.array([0.03, 0.0004, 0.012, 1e-9, 0.6])
    order = np.argsort(p)
    adjusted = MaxT(equicorrelated(5, 0.5), np.full(5, 11.0)).two_sided().adjust(p, order)
    assert (adjusted >= p).all()
    assert (adjusted <= np.minimum(1, 5 * p)).all()
    assert (np.diff(adjusted[order]) >= 0).all()
    assert adjusted[4] == pytest.approx(0.6)


def test_one_sided_tests_take_their_own_side() -> None:
    opposite = MaxT(np.array([[1, -0.99], [-0.99, 1]]), np.full(2, 30.0))
    same_side, other_side = (
        opposite.one_sided(np.array([1, 1])).level(0.05),
        opposite.one_sided(np.array([1, -1])).level(0.05),
    )
    assert same_side == pytest.approx(0.025, rel=0.08)
    assert other_side > 0.04
