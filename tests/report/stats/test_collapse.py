"""Collapsed runs are found, and what their number rules out is Clopper and Pearson's bound."""

import math

import numpy as np
import pytest
from scipy import stats

from lossbench.report.stats.collapse import collapse_bound, find_collapses


@pytest.mark.parametrize(("k", "n"), [(0, 1), (0, 8), (1, 8), (4, 12), (39, 40)])
def test_the_bound_is_that_of_clopper_and_pearson(k: int, n: int) -> None:
    wanted = stats.binomtest(k, n, alternative="less").proportion_ci(0.95, method="exact").high
    assert collapse_bound(k, n) == pytest.approx(wanted)


def test_0_of_8_still_allows_31_percent() -> None:
    assert round(collapse_bound(0, 8), 2) == 0.31
    assert collapse_bound(8, 8) == 1
    for k, n in ((9, 8), (-1, 8), (0, 0)):
        with pytest.raises(ValueError, match="k must"):
            collapse_bound(k, n)


@pytest.mark.parametrize("n", [8, 80, 300])
@pytest.mark.parametrize("rate", [0.02, 0.05, 0.3])
def test_what_the_bound_excludes_is_seldom_the_truth(n: int, rate: float) -> None:
    k = np.arange(n + 1)
    excluded = np.array([collapse_bound(int(one), n) < rate for one in k])
    assert stats.binom.pmf(k[excluded], n, rate).sum() <= 0.05


def test_a_run_far_below_the_others_is_a_collapse() -> None:
    stream = np.random.default_rng(0)
    scores = {"a": 0.9 + 0.005 * stream.normal(size=12), "b": 0.85 + 0.005 * stream.normal(size=12)}
    assert not any(found.any() for found in find_collapses(scores, 0.01).values())
    scores["a"][[2, 7]] -= 0.3
    scores["b"][4] = -math.inf
    found = find_collapses(scores, 0.01)
    assert np.flatnonzero(found["a"]).tolist() == [2, 7]
    assert np.flatnonzero(found["b"]).tolist() == [4]


def test_a_bad_loss_is_no_collapse_and_most_runs_may_collapse() -> None:
    stream = np.random.default_rng(0)
    bad, good = 0.2 + 0.005 * stream.normal(size=12), 0.9 + 0.005 * stream.normal(size=12)
    good[:8] = 0.1
    found = find_collapses({"bad": bad, "good": good}, 0.01)
    assert not found["bad"].any()
    assert np.flatnonzero(found["good"]).tolist() == [*range(8)]


def test_equal_scores_and_small_steps_are_no_collapse() -> None:
    assert not find_collapses({"a": np.r_[np.full(11, 0.9), 0.88]}, 0.01)["a"].any()
    assert find_collapses({"a": np.r_[np.full(11, 0.9), 0.8]}, 0.01)["a"].sum() == 1
    assert find_collapses({}, 0.01) == {}
