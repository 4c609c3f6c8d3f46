"""The sign-flip test counts what a loop over sign patterns counts."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from lossbench.report.stats.sign_flip import EXACT, PATTERNS, sign_flip_p, sign_flip_ps, smallest_p


def drawn(n: int, seed: int = 0, mean: float = 0.5) -> np.ndarray:
    return np.random.default_rng((n, seed)).normal(mean, 1, n)


@pytest.mark.parametrize("n", [1, 2, 5, 9])
@pytest.mark.parametrize("seed", range(4))
def test_exact_p_is_that_of_a_loop(n: int, seed: int) -> None:
    d = drawn(n, seed)
    sums = [
        abs(sum(sign * value for sign, value in zip(signs, d, strict=True)))
        for signs in itertools.product((1, -1), repeat=n)
    ]
    assert sign_flip_p(d) == sum(value >= abs(d.sum()) - 1e-12 for value in sums) / 2**n


def test_exact_p_is_that_of_scipy() -> None:
    for seed in range(5):
        d = drawn(8, seed)
        reference = stats.permutation_test(
            (d,), np.mean, permutation_type="samples", n_resamples=np.inf, vectorized=True
        )
        assert sign_flip_p(d) == pytest.approx(reference.pvalue, abs=1e-12)


@pytest.mark.parametrize("mean", [0.0, 0.3, 0.6])
def test_drawn_p_is_that_of_scipy_within_chance(mean: float) -> None:
    d = drawn(24, mean=mean)
    stream = np.random.default_rng(5)
    reference = stats.permutation_test(
        (d,), np.mean, permutation_type="samples", n_resamples=49_999, vectorized=True, batch=5000, rng=stream
    )
    p = sign_flip_p(d)
    assert abs(p - reference.pvalue) < 4 * math.sqrt(p * (1 - p) * (1 / 50_000 + 1 / 100_000)) + 2e-5


def test_drawn_p_continues_the_exact_one() -> None:
    """Another seed that says nothing (0) leaves p as it is, across the change from exact to drawn patterns."""
    exact = sign_flip_p(drawn(EXACT))
    beyond = sign_flip_p(np.r_[drawn(EXACT), 0])
    assert exact == sign_flip_p(drawn(EXACT)[::-1]) != beyond
    assert abs(exact - beyond) < 4 * math.sqrt(exact / PATTERNS)


@pytest.mark.parametrize("n", [6, EXACT, EXACT + 1])
def test_many_comparisons_at_once_have_the_p_of_each(n: int) -> None:
    D = np.random.default_rng(n).normal(0.3, 1, (n, 300))
    assert sign_flip_ps(D).tolist() == [sign_flip_p(d) for d in D.T]
    assert sign_flip_ps(D[:, :0]).shape == (0,)


@pytest.mark.parametrize("n", [7, 12, 20])
@pytest.mark.parametrize("seed", range(5))
def test_p_knows_no_unit_no_direction_and_no_order(n: int, seed: int) -> None:
    d = drawn(n, seed)
    assert sign_flip_p(-d) == sign_flip_p(d)
    assert sign_flip_p(d * 1e-7) == sign_flip_p(d) == sign_flip_p(d * 3.3e5)
    if n <= EXACT:
        assert sign_flip_p(d[::-1]) == sign_flip_p(d)


@pytest.mark.parametrize("n", [7, 12, 20])
@pytest.mark.parametrize("seed", range(5))
def test_a_bonus_on_every_seed_never_raises_the_p_of_a_better_loss(n: int, seed: int) -> None:
    d = drawn(n, seed, mean=0)
    d *= np.sign(d.sum())
    p = sign_flip_ps(d[:, None] + np.linspace(0, 2, 40))
    assert (np.diff(p) <= 0).all()
    assert p[-1] < p[0]


def test_ties_that_rounding_hides_are_ties() -> None:
    scores, baseline = np.array([0.91, 0.87, 0.93, 0.58, 0.71, 0.66]), np.array([0.9, 0.85, 0.9, 0.57, 0.69, 0.69])
    hundredths = np.round(100 * (scores - baseline))
    assert hundredths.tolist() == [1, 2, 3, 1, 2, -3]
    assert sign_flip_p(scores - baseline) == sign_flip_p(hundredths)
    assert sign_flip_p(np.array([0.1, 0.2, -0.3])) == 1


@pytest.mark.parametrize("n", [1, 6, 20])
def test_equal_scores_have_p_1(n: int) -> None:
    assert sign_flip_p(np.zeros(n)) == 1


@pytest.mark.parametrize("n", [1, 5, 12, 16])
def test_the_smallest_p_is_that_of_a_loss_that_always_wins(n: int) -> None:
    assert smallest_p(n) == 2 / 2**n
    assert sign_flip_p(np.arange(n) + 1) == 2 / 2**n


def test_drawn_p_is_never_0() -> None:
    assert sign_flip_p(np.ones(60)) == 1 / (PATTERNS + 1)


def test_p_of_equal_losses_is_uniform() -> None:
    p = sign_flip_ps(np.random.default_rng(3).standard_t(3, (12, 20_000)))
    for level in (0.01, 0.05, 0.2, 0.5):
        assert abs((p <= level).mean() - level) < 4 * math.sqrt(level / 20_000)


@pytest.mark.parametrize("d", [np.array([]), np.ones((2, 2)), np.array([1, math.nan]), np.array([1, -math.inf])])
def test_wrong_differences_are_refused(d: np.ndarray) -> None:
    with pytest.raises(ValueError, match="values must"):
        sign_flip_p(d)


@pytest.mark.parametrize("D", [np.ones(3), np.ones((0, 2)), np.full((3, 2), math.nan)])
def test_wrong_tables_of_differences_are_refused(D: np.ndarray) -> None:
    with pytest.raises(ValueError, match="D must"):
        sign_flip_ps(D)
