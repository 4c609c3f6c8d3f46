import numpy as np
import pytest

from lossbench.data.grouped import crossing
from lossbench.data.parts import Parts

CLASSES = np.repeat(np.arange(3), [60, 30, 10])


def parts(*names: str, **settings: float) -> Parts:
    """A hundred examples, of which the last 20 are each published part but train."""
    positions = np.random.default_rng(0).permutation(100)
    given = {name: positions[20 * i : 20 * (i + 1)] for i, name in enumerate(names)}
    return Parts(CLASSES, {**given, "train": positions[20 * len(names) :]}, **settings)  # pyright: ignore[reportArgumentType] - fractions


def counts(positions: np.ndarray) -> list[int]:
    return np.bincount(CLASSES[positions], minlength=3).tolist()


@pytest.mark.parametrize("names", [(), ("test",), ("val",), ("val", "test")])
def test_what_is_published_is_kept_and_the_rest_is_held_out(names: tuple[str, ...]) -> None:
    made = parts(*names)
    for found in (made.split, made.draw(0), made.draw(7)):
        assert sorted(np.concatenate([*found.values()]).tolist()) == list(range(100))
        if "test" in names:
            assert found["test"].tolist() == sorted(made.given["test"].tolist())
        assert len(found["val"]) == len(made.split["val"])
    if "val" in names:
        assert made.split["val"].tolist() == sorted(made.given["val"].tolist())


def test_held_out_parts_have_the_shares_of_the_classes_and_replicates_cover_everything() -> None:
    made = parts()
    assert [counts(made.split[name]) for name in ("train", "val", "test")] == [[39, 19, 6], [9, 5, 2], [12, 6, 2]]
    tested = [made.draw(r)["test"] for r in range(5)]
    assert [len(part) for part in tested] == [20] * 5
    assert sorted(np.concatenate(tested).tolist()) == list(range(100))
    assert all(len(made.draw(r)["val"]) == 16 for r in range(6))


def test_a_fraction_that_leaves_nothing_is_named() -> None:
    with pytest.raises(ValueError, match="val_fraction leaves no val examples of the 80 training examples"):
        _ = parts("test", val_fraction=0.001).split


@pytest.mark.parametrize("published", [False, True])
def test_groups_are_never_split_and_decide_nothing_else(published: bool) -> None:
    groups = np.arange(100) // 4
    given = {"train": np.arange(80), "test": np.arange(80, 100)} if published else {"train": np.arange(100)}
    made = Parts(CLASSES[np.random.default_rng(0).permutation(100)], given, groups=groups)
    for found in (made.split, *map(made.draw, range(6))):
        assert crossing(groups, found) == {}
        assert [len(found[name]) for name in ("train", "val", "test")] == [64, 16, 20]
    assert {made.draw(r)["val"].tobytes() for r in range(6)} > {made.draw(0)["val"].tobytes()}


def test_a_group_in_two_given_parts_is_refused() -> None:
    groups = np.array(["a", "a", "b", "c"])
    with pytest.raises(
        ValueError, match=r"^group: 1 groups are in more than one part, for instance 'a' in test, train;"
    ):
        Parts(np.array([0, 1, 0, 1]), {"train": np.array([0, 2]), "test": np.array([1, 3])}, groups=groups)
