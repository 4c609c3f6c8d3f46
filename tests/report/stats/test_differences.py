"""The variance of a mean difference is that of its formulas."""

import math

import numpy as np
import pytest

from lossbench.report.stats.differences import Differences, spread


def crossed(R: int, N: int, seed: int = 0) -> np.ndarray:
    stream = np.random.default_rng((R, N, seed))
    return 0.1 * stream.normal(size=(R, 1)) + stream.normal(size=N) + 0.5 * stream.normal(size=(R, N))


def of(h: np.ndarray) -> Differences:
    return Differences(np.arange(len(h)), np.nanmean(h, 1), h)


def folds(R: int, N: int, k: int) -> np.ndarray:
    h = crossed(R, N)
    order = np.random.default_rng(1).permutation(N)
    for r in range(R):
        h[r, order[np.arange(N) % k != r % k]] = math.nan
    return h


@pytest.mark.parametrize("design", ["published", "split"])
def test_on_one_test_set_it_is_the_two_way_form(design: str) -> None:
    h = crossed(7, 50)
    R, N = h.shape
    rest = h - h.mean(0) - h.mean(1, keepdims=True) + h.mean()
    s2_residual = (rest**2).sum() / ((R - 1) * (N - 1))
    two_way = h.mean(1).var(ddof=1) / R + h.mean(0).var(ddof=1) / N - s2_residual / (R * N)
    assert spread(of(h), design).se ** 2 == pytest.approx(two_way)


def test_on_folds_it_is_the_sum_of_examples_and_replicates() -> None:
    h = folds(10, 100, 5) + 0.5 * np.random.default_rng(2).normal(size=(10, 1))
    inside = np.nanvar(h, 1, ddof=1) / 20
    own = max(0, np.nanmean(h, 1).var(ddof=1) - inside.mean()) / 10
    assert own > 0
    found = spread(of(h), "folds")
    assert (found.var_examples, found.var_units) == pytest.approx((np.nanmean(h, 0).var(ddof=1) / 100, own))


def test_examples_that_were_never_tested_do_not_count() -> None:
    h = folds(3, 40, 5)
    tested = h[:, ~np.isnan(h).all(0)]
    assert tested.shape[1] == 24
    assert spread(of(h), "folds") == spread(of(tested), "folds")


def test_without_examples_folds_are_those_of_nadeau_and_bengio() -> None:
    d = Differences(np.arange(10), crossed(10, 1)[:, 0])
    s2 = d.means.var(ddof=1)
    assert spread(d, "folds", 0.2 / 0.6).se ** 2 == pytest.approx(s2 * (1 / 10 + 1 / 3))
    assert spread(d, "split").se ** 2 == pytest.approx(s2 / 10)
    with pytest.raises(ValueError, match="test_per_train"):
        spread(d, "folds")


def test_degrees_of_freedom_are_those_of_the_units_unless_examples_dominate() -> None:
    units_alone = 5 * np.random.default_rng(0).normal(size=(8, 1)) + 1e-6 * crossed(8, 500)
    assert spread(of(units_alone), "split").df == pytest.approx(7, rel=1e-3)
    same_each_time = np.random.default_rng(0).normal(size=500) + 1e-6 * crossed(8, 500)
    assert spread(of(same_each_time), "split").df > 400
    assert spread(Differences(np.arange(8), np.arange(8.0)), "split").df == 7
    assert spread(of(folds(10, 100, 5)), "folds").df == 9


def test_one_unit_or_one_example_gives_no_variance() -> None:
    assert math.isnan(spread(of(crossed(1, 30)), "split").se)
    assert math.isnan(spread(of(crossed(5, 1)), "published").se)
    assert spread(of(np.zeros((4, 9))), "published").se == 0


WRONG = [
    ([0, 0], [1, 2], None, "units must rise"),
    ([0], [1, 2], None, "units must rise"),
    ([0, 1], [1, math.nan], None, "values must be finite"),
    ([], [], None, "values must have shape"),
    ([0, 1], [1, 2], np.ones((1, 3)), "examples must have shape"),
    ([0, 1], [1, 2], np.array([[1, 1], [math.nan, math.nan]]), "no row may be all nan"),
    ([0], [1], np.array([[1, math.inf]]), "finite"),
]


@pytest.mark.parametrize(("units", "means", "examples", "reason"), WRONG)
def test_wrong_differences_are_refused(
    units: list[int], means: list[float], examples: np.ndarray | None, reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        Differences(np.array(units), np.array(means), examples)
