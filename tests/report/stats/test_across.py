"""Ranks and sign tests over data sets against worked examples and full enumeration."""

from itertools import product

import numpy as np
import pytest
from scipy.stats import binomtest, f

from lossbench.report.stats.across import (
    critical_difference,
    fewest_that_decide,
    friedman_p,
    mean_ranks,
    sign_test_p,
    sign_tests_together,
)

# Demsar 2006, table 6 (C4.5, +m, +cf, +m+cf on 14 data sets), as printed in many copies of the example.
DEMSAR = np.array(
    [
        [0.763, 0.768, 0.771, 0.798],
        [0.599, 0.591, 0.590, 0.569],
        [0.954, 0.971, 0.968, 0.967],
        [0.628, 0.661, 0.654, 0.657],
        [0.882, 0.888, 0.886, 0.898],
        [0.936, 0.931, 0.916, 0.931],
        [0.661, 0.668, 0.609, 0.685],
        [0.583, 0.583, 0.563, 0.625],
        [0.775, 0.838, 0.866, 0.875],
        [1.000, 1.000, 1.000, 1.000],
        [0.940, 0.962, 0.965, 0.962],
        [0.619, 0.666, 0.614, 0.669],
        [0.972, 0.981, 0.9751, 0.975],
        [0.957, 0.978, 0.946, 0.970],
    ]
)


def test_the_published_example() -> None:
    assert mean_ranks(DEMSAR) == pytest.approx([3.143, 2.000, 2.893, 1.964], abs=5e-4)
    assert critical_difference(4, 14) == pytest.approx(1.25, abs=0.005)
    assert friedman_p(DEMSAR) == pytest.approx(f.sf(3.69, 3, 39), rel=0.01)  # F = 3.69 there


def test_a_sign_test_is_binomial() -> None:
    for wins, losses in [(0, 0), (5, 0), (6, 0), (9, 2)]:
        n = wins + losses
        assert sign_test_p(wins, losses) == pytest.approx(binomtest(wins, n).pvalue if n else 1)
    assert sign_test_p(fewest_that_decide(), 0) <= 0.05 < sign_test_p(fewest_that_decide() - 1, 0)


def enumerated(signs: np.ndarray) -> np.ndarray:
    """Step-down max-T by its definition, pattern by pattern."""
    S = np.abs(signs.sum(0))
    order = sorted(range(signs.shape[1]), key=lambda j: -S[j])
    flips = np.array([*product([-1, 1], repeat=len(signs))])
    p, smallest = np.empty(len(order)), 0.0
    for k, j in enumerate(order):
        largest = np.abs(flips @ signs[:, order[k:]]).max(1)
        smallest = max(smallest, float((largest >= S[j]).mean()))
        p[j] = smallest
    return p


@pytest.mark.parametrize("seed", range(4))
def test_sign_tests_are_corrected_together(seed: int) -> None:
    signs = np.sign(np.random.default_rng(seed).normal(0.4, 1, (7, 5)))
    signs[0, 0] = 0  # a tie
    adjusted = sign_tests_together(signs * [1, 100, 0.01, 1, 1])
    assert adjusted == pytest.approx(enumerated(signs))
    raw = [sign_test_p(int((d > 0).sum()), int((d < 0).sum())) for d in signs.T[1:]]
    assert (adjusted[1:] >= np.array(raw) - 1e-12).all()


def test_losses_that_are_equal_are_rarely_told_apart() -> None:
    stream, wrong, studies = np.random.default_rng(0), 0, 400
    for _ in range(studies):
        scores = stream.normal(size=(9, 13))
        wrong += bool((sign_tests_together(scores[:, 1:] - scores[:, :1]) <= 0.05).any())
    assert wrong / studies <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / studies)


def test_many_data_sets_are_sampled() -> None:
    differences = np.random.default_rng(1).normal([0, 1.5], 1, (20, 2))
    p = sign_tests_together(differences)
    assert p[1] < 0.01 < p[0]
