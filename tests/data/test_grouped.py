"""Laws of splits by groups: no group crosses, the parts are as large as groups allow, replicates differ."""

import numpy as np
import pytest

from lossbench.data.grouped import crossing, grouped_folds, grouped_split

RNG = np.random.default_rng(0)


def a_pool(sizes: list[int], classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Classes and groups of a pool in random order; half of the examples have the class of their group."""
    groups = np.repeat([f"patient {k}" for k in range(len(sizes))], sizes)[RNG.permutation(sum(sizes))]
    own = dict(zip(np.unique(groups).tolist(), RNG.integers(0, classes, len(sizes)).tolist(), strict=True))
    of_group = np.array([own[group] for group in groups.tolist()])
    return np.where(RNG.random(len(groups)) < 0.5, of_group, RNG.integers(0, classes, len(groups))), groups


POOLS = {
    "singles": a_pool([1] * 503),
    "fives": a_pool([5] * 101),
    "mixed": a_pool(RNG.integers(1, 9, 150).tolist()),
    "few and large": a_pool([100] * 8 + [50] * 4, classes=2),
}


@pytest.mark.parametrize("pool", POOLS.values(), ids=POOLS)
def test_no_group_crosses_test_parts_cover_the_pool_and_sizes_are_equal(pool: tuple[np.ndarray, np.ndarray]) -> None:
    targets, groups = pool
    draws = [grouped_folds(targets, groups, r, folds=5, val=0.2, seed=0) for r in range(10)]
    for draw in draws:
        assert crossing(groups, draw) == {}
        together = np.concatenate(list(draw.values()))
        assert len(np.unique(together)) == len(together) >= 0.99 * len(targets)
    for repeat in (draws[:5], draws[5:]):
        assert sorted(np.concatenate([draw["test"] for draw in repeat]).tolist()) == list(range(len(targets)))
    assert len({(len(draw["train"]), len(draw["val"])) for draw in draws}) == 1
    assert len(draws[0]["val"]) == pytest.approx(0.2 * len(targets), abs=2.5)
    assert len({draw["test"].tobytes() for draw in draws}) > 5  # the second repeat tests on other parts


def test_classes_are_spread_evenly() -> None:
    targets, groups = POOLS["mixed"]
    for r in range(5):
        for part in grouped_folds(targets, groups, r, folds=5, val=0.2, seed=0).values():
            assert np.abs(np.bincount(targets[part]) / len(part) - np.bincount(targets) / len(targets)).max() < 0.06


def test_groups_that_allow_no_equal_parts_leave_none_out() -> None:
    groups = np.repeat(np.arange(6), [60, 10, 9, 8, 7, 6])
    draws = [grouped_folds(np.arange(100) % 2, groups, r, folds=3, val=0.2, seed=0) for r in range(3)]
    assert sorted(len(draw["test"]) for draw in draws) == [19, 21, 60]
    assert {sum(map(len, draw.values())) for draw in draws} == {100}


def test_one_split_has_the_shares_that_are_asked_for_and_follows_its_seed() -> None:
    targets, groups = POOLS["mixed"]
    splits = [grouped_split(targets, groups, val=0.2, test=0.1, seed=seed) for seed in (0, 0, 1)]
    n = len(targets)
    assert [len(part) for part in splits[0].values()] == pytest.approx([0.7 * n, 0.2 * n, 0.1 * n], abs=1)
    assert sorted(np.concatenate(list(splits[0].values())).tolist()) == list(range(n))
    assert crossing(groups, splits[0]) == {}
    assert np.array_equal(splits[0]["test"], splits[1]["test"])
    assert not np.array_equal(splits[0]["test"], splits[2]["test"])
    assert not len(grouped_split(targets, groups, val=0.2, test=0, seed=0)["test"])


def test_too_few_or_too_large_groups_are_one_line() -> None:
    with pytest.raises(ValueError, match=r"^group: 2 groups cannot be split into 5 parts; add groups$"):
        grouped_folds(np.arange(10) % 2, np.repeat([0, 1], 5), 0, folds=5, val=0.2, seed=0)
    with pytest.raises(ValueError, match=r"^group: the groups are too large .* 'a' has 98 of 100 examples$"):
        grouped_split(np.arange(100) % 2, np.array(["a"] * 98 + ["b", "c"]), val=0.02, test=0.01, seed=0)


def test_crossing_names_groups_of_several_parts() -> None:
    assert crossing(np.array([7, 7, 8]), {"train": np.array([0]), "test": np.array([1, 2])}) == {"7": {"train", "test"}}
