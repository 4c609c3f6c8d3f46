"""Paired tests and intervals agree with SciPy and with their textbook definitions."""

import math
from statistics import NormalDist

import numpy as np
import pytest
from scipy import stats

from lossbench.report.stats.paired import bca_interval, effect_size, holm, probability_better, tost_p


def drawn(n: int, seed: int = 0, mean: float = 0.3) -> np.ndarray:
    return np.random.default_rng((n, seed)).normal(mean, 1, n)


@pytest.mark.parametrize("n", [2, 5, 40])
@pytest.mark.parametrize("margin", [0.2, 1.0, 3.0])
@pytest.mark.parametrize("mean", [-0.5, 0.0, 0.5])
def test_equivalence_is_two_one_sided_t_tests(n: int, margin: float, mean: float) -> None:
    d = drawn(n, mean=mean)
    above = stats.ttest_1samp(d, -margin, alternative="greater").pvalue
    below = stats.ttest_1samp(d, margin, alternative="less").pvalue
    assert tost_p(d, margin) == pytest.approx(max(above, below), rel=1e-9)
    assert tost_p(-d, margin) == pytest.approx(tost_p(d, margin), rel=1e-12)


def test_a_wider_margin_is_easier() -> None:
    p = [tost_p(drawn(12), margin) for margin in np.linspace(0.1, 3, 30)]
    assert (np.diff(p) < 0).all()


@pytest.mark.parametrize(("value", "p"), [(0.0, 0), (0.1, 0), (-0.1, 0), (0.5, 1), (-0.7, 1)])
def test_constant_differences_are_within_the_margin_or_not(value: float, p: float) -> None:
    assert tost_p(np.full(5, value), 0.5) == p


def step_down(p: np.ndarray, alpha: float) -> np.ndarray:
    """Holm's procedure as in his paper: reject from the smallest p on until one is too large."""
    rejected = np.zeros(len(p), dtype=bool)
    for i, place in enumerate(np.argsort(p)):
        if p[place] > alpha / (len(p) - i):
            break
        rejected[place] = True
    return rejected


@pytest.mark.parametrize("m", [1, 2, 9, 20])
def test_adjusted_p_reject_what_the_step_down_test_rejects(m: int) -> None:
    p = np.random.default_rng(m).beta(0.4, 2, m)
    adjusted = holm(p)
    for alpha in np.linspace(0.001, 0.999, 400):
        assert ((adjusted <= alpha) == step_down(p, alpha)).all()


def test_adjusted_p_keep_order_and_never_shrink() -> None:
    p = np.array([0.04, 0.01, 0.01, 0.9, 0.5])
    adjusted = holm(p)
    assert adjusted.tolist() == pytest.approx([0.12, 0.05, 0.05, 1, 1])
    assert (np.diff(adjusted[np.argsort(p)]) >= 0).all()
    assert (holm(np.minimum(1, 1.3 * p)) >= adjusted).all()
    assert (adjusted >= p).all()
    assert (holm(p[::-1])[::-1] == adjusted).all()
    assert holm([0.03]).tolist() == [0.03]
    assert holm([]).shape == (0,)


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


def efron(d: np.ndarray, resamples: int) -> tuple[float, float]:
    """BCa by equations 6.2 and 6.6 of Efron 1987, with the jackknife's acceleration."""
    normal, stream, n = NormalDist(), np.random.default_rng(11), len(d)
    means = np.sort([stream.choice(d, n).mean() for _ in range(resamples)])
    bias = normal.inv_cdf(float((means < d.mean()).mean()))
    left_out = np.array([np.delete(d, i).mean() for i in range(n)])
    gap = left_out.mean() - left_out
    skew = float((gap**3).sum() / (6 * (gap**2).sum() ** 1.5))
    shifted = [bias + normal.inv_cdf(level) for level in (0.025, 0.975)]
    low, high = (float(np.quantile(means, normal.cdf(bias + z / (1 - skew * z)))) for z in shifted)
    return low, high


@pytest.mark.parametrize("n", [20, 40])
def test_the_bca_interval_is_efrons(n: int) -> None:
    d = np.random.default_rng(n).lognormal(0, 1, n)
    error = d.std(ddof=1) / math.sqrt(n)
    found = bca_interval(d)
    assert found is not None
    assert found == pytest.approx(efron(d, 20_000), abs=0.1 * error)
    assert found[0] + found[1] > 2 * d.mean() + 0.2 * error  # a plain percentile or normal interval would sit lower
    assert found == bca_interval(d)


def test_the_bca_interval_waits_for_20_seeds() -> None:
    assert bca_interval(drawn(19)) is None
    assert bca_interval(drawn(20)) is not None
    assert bca_interval(np.full(5, 0.1)) is None
    low, high = bca_interval(np.full(25, 0.1)) or (0, 0)
    assert low == high == pytest.approx(0.1)


@pytest.mark.parametrize("d", [np.array([]), np.ones((2, 2)), np.array([1, math.nan]), np.array([1, math.inf])])
def test_wrong_differences_are_refused(d: np.ndarray) -> None:
    for function in (effect_size, probability_better, bca_interval, lambda d: tost_p(d, 1)):
        with pytest.raises(ValueError, match="values must"):
            function(d)


def test_a_variance_needs_two_seeds() -> None:
    for function in (effect_size, lambda d: tost_p(d, 1)):
        with pytest.raises(ValueError, match="n >= 2"):
            function(np.ones(1))


@pytest.mark.parametrize("margin", [0, -1, math.nan, math.inf])
def test_a_margin_is_positive(margin: float) -> None:
    with pytest.raises(ValueError, match="margin"):
        tost_p(np.arange(3), margin)


@pytest.mark.parametrize("p", [[0.5, 1.1], [-0.1], [math.nan], [[0.5]]])
def test_p_are_fractions(p: list[float]) -> None:
    with pytest.raises(ValueError, match="p must"):
        holm(p)
