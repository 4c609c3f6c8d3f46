"""Laws of the draws of replicates: folds, and training and validation parts."""

from itertools import pairwise

import numpy as np
import pytest

from lossbench.data.folds import draw_parts, first_of_each, fold_count, fold_parts, repeated_folds
from lossbench.seeds import generator

UNEVEN = np.repeat(np.arange(5), [400, 83, 20, 3, 1])[np.random.default_rng(0).permutation(507)]
ONE_GROUP = np.zeros(103, dtype=np.int64)


@pytest.mark.parametrize("groups", [UNEVEN, ONE_GROUP])
@pytest.mark.parametrize("folds", [2, 5, 10])
def test_test_parts_of_a_repeat_are_disjoint_and_cover_the_pool(groups: np.ndarray, folds: int) -> None:
    for first in (0, folds):
        parts = [fold_parts(groups, first + fold, folds=folds, seed=0) for fold in range(folds)]
        assert sorted(np.concatenate([test for _, test in parts]).tolist()) == list(range(len(groups)))
        for rest, test in parts:
            assert sorted([*rest.tolist(), *test.tolist()]) == list(range(len(groups)))
            assert np.abs(len(test) - len(groups) / folds) < 1
            assert (np.abs(np.bincount(groups[test], minlength=5) - np.bincount(groups, minlength=5) / folds) < 1).all()


def test_sizes_are_the_same_for_every_replicate_and_no_example_is_in_two_parts() -> None:
    draws = [repeated_folds(UNEVEN, r, folds=5, val=0.2, seed=0) for r in range(15)]
    assert {(len(draw["train"]), len(draw["val"])) for draw in draws} == {(507 - 102 - 101, 101)}
    assert {len(draw["test"]) for draw in draws} == {101, 102}
    for draw in draws:
        together = np.concatenate(list(draw.values()))
        assert len(together) - len(np.unique(together)) == 0 <= 507 - len(together) <= 1
        assert all((np.diff(part) > 0).all() for part in draw.values())


def test_parts_have_the_shares_of_the_whole_and_spare_the_last_of_a_class() -> None:
    for seed in range(5):
        val, learnt = draw_parts(UNEVEN, (101,), generator(seed, "test"))
        share = np.bincount(UNEVEN) * 101 / 507
        assert (np.abs(np.bincount(UNEVEN[val], minlength=5) - share) < 1).all()
        assert np.bincount(UNEVEN[learnt]).min() == 1
        assert len(val) + len(learnt) == 507


def test_as_many_singletons_as_are_asked_for() -> None:
    val, learnt = draw_parts(np.arange(10), (4,), generator(0, "test"))
    assert sorted([*val.tolist(), *learnt.tolist()]) == list(range(10))
    assert len(val) == 4


def test_small_data_are_nested_subsets_of_one_replicate() -> None:
    groups = np.arange(200) % 4
    draws = [repeated_folds(groups, 7, folds=5, val=0.2, seed=0, per_class=n) for n in (1, 10, None)]
    for small, large in pairwise(draws):
        assert {*small["train"].tolist()} < {*large["train"].tolist()}
        assert all(np.array_equal(small[name], large[name]) for name in ("val", "test"))
    assert np.bincount(groups[draws[1]["train"]]).tolist() == [10] * 4
    with pytest.raises(ValueError, match=r"^images_per_class must be <= 30 \(class 0 has no more training images\)"):
        repeated_folds(groups, 7, folds=5, val=0.2, seed=0, per_class=31)
    assert first_of_each(groups, np.arange(200), None).tolist() == list(range(200))


def test_replicates_and_split_seeds_are_draws_of_their_own() -> None:
    draws = [repeated_folds(UNEVEN, r, folds=5, val=0.2, seed=seed) for seed in (0, 1) for r in (*range(6), 0)]
    assert all(np.array_equal(draws[0][name], draws[6][name]) for name in draws[0])
    for name in ("train", "val", "test"):
        assert len({draw[name].tobytes() for draw in draws}) == 12


def test_within_a_class_every_example_is_drawn_equally_often() -> None:
    counts = np.zeros(103)
    for r in range(2000):
        counts[repeated_folds(ONE_GROUP, r, folds=5, val=0.2, seed=0)["val"]] += 1
    expected = 2000 * round(0.2 * 103) / 103
    assert np.abs(counts - expected).max() < 5 * np.sqrt(expected)


@pytest.mark.parametrize(
    ("fraction", "folds"), [(0.5, 2), (0.33, 3), (0.25, 4), (0.2, 5), (0.17, 6), (0.14, 7), (0.1, 10), (0.01, 100)]
)
def test_a_fraction_is_a_number_of_folds(fraction: float, folds: int) -> None:
    assert fold_count("data.test_fraction", fraction) == folds


@pytest.mark.parametrize(
    ("fraction", "nearest"),
    [(0.3, r"0.333 \(3 folds\) or 0.25 \(4 folds\)"), (0.15, r"0.167 \(6 folds\) or 0.143"), (0.8, r"0.5 \(2 folds\)")],
)
def test_a_fraction_between_numbers_of_folds_is_refused(fraction: float, nearest: str) -> None:
    with pytest.raises(ValueError, match=rf"^test_fraction must be 1 / k .* got {fraction}, the nearest are {nearest}"):
        fold_count("test_fraction", fraction)
