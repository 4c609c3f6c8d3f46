"""The handwritten digits."""

from collections.abc import Callable

import numpy as np
import pytest

from lossbench.data.digits import Digits
from lossbench.data.source import replicated


@pytest.fixture(scope="module")
def digits() -> Digits:
    return Digits()


def ids(source: Digits, name: str) -> set[str]:
    return set(source.splits[name].ids.tolist())


def test_all_of_them_once(digits: Digits) -> None:
    parts = [ids(digits, name) for name in ("train", "val", "test")]
    assert [len(part) for part in parts] == [len(digits.splits[name]) for name in ("train", "val", "test")]
    assert sum(map(len, parts)) == len(set.union(*parts)) == 1797
    assert [len(part) / 1797 for part in parts] == pytest.approx([0.6, 0.2, 0.2], abs=0.005)


def test_images_as_a_network_wants_them(digits: Digits) -> None:
    for part in digits.splits.values():
        assert part.inputs.shape[1:] == digits.input_shape == (1, 8, 8)
        assert (part.inputs.dtype, part.targets.dtype) == (np.float32, np.int64)
        assert (part.inputs.min(), part.inputs.max()) == (0, 1)
        assert np.bincount(part.targets).min() > 0.9 * len(part) / digits.num_classes


def test_ids_point_to_scikit_learns_order(digits: Digits) -> None:
    from sklearn.datasets import load_digits

    raw = load_digits()
    part = digits.splits["val"]
    index = part.ids.astype(int)
    np.testing.assert_array_equal(part.inputs[:, 0] * 16, raw.images[index])  # pyright: ignore[reportAttributeAccessIssue] - a Bunch
    np.testing.assert_array_equal(part.targets, raw.target[index])  # pyright: ignore[reportAttributeAccessIssue] - a Bunch


def test_small_data_is_a_nested_subset(digits: Digits) -> None:
    one, ten = Digits(images_per_class=1), Digits(images_per_class=10)
    assert ids(one, "train") < ids(ten, "train") < ids(digits, "train")
    assert np.bincount(ten.splits["train"].targets).tolist() == [10] * 10
    assert ids(one, "test") == ids(digits, "test")
    assert ten.record() == {
        "train_counts": {"examples": 100, "smallest_class": 10, "largest_class": 10},
        "left_out": ["using 100 of 1,079 training images (data.images_per_class=10)"],
    }
    assert digits.record() == {"train_counts": {"examples": 1079, "smallest_class": 104, "largest_class": 110}}
    assert len({source.fingerprint() for source in (one, ten, digits)}) == 3


def test_the_split_seed_changes_split_and_fingerprint(digits: Digits) -> None:
    other = Digits(split_seed=1)
    assert ids(other, "test") != ids(digits, "test")
    assert other.fingerprint() != digits.fingerprint() == Digits().fingerprint() == "45f04c9bac38c3d4"


@pytest.mark.parametrize("make", [lambda v: Digits(split_seed=v), lambda v: Digits(images_per_class=v)])
@pytest.mark.parametrize("value", [-1, 1.0, True, "1"])
def test_settings_are_checked(make: Callable[[object], Digits], value: object) -> None:
    with pytest.raises(ValueError, match=r"^(split_seed|images_per_class) must be a whole number >= [01], got"):
        make(value)


def test_more_than_there_are() -> None:
    with pytest.raises(
        ValueError, match=r"images_per_class must be <= \d+ \(class \d has no more training images\), got 1000"
    ):
        _ = Digits(images_per_class=1000).splits


def test_replicates_test_on_disjoint_fifths_and_share_a_fingerprint(digits: Digits) -> None:
    replicates = [replicated(digits, r) for r in range(5)]
    assert set().union(*(ids(each, "test") for each in replicates)) == {str(k) for k in range(1797)}
    assert [{name: len(split) for name, split in each.splits.items()} for each in replicates] == [
        {"train": 1078, "val": 359, "test": n} for n in (360, 360, 359, 359, 359)
    ]
    assert {each.fingerprint() for each in replicates} == {"072a7d30c780fcf4"}
    assert digits.fingerprint() == "45f04c9bac38c3d4"
    facts = replicates[3].record()
    assert (facts["pool"], facts["folds"]) == (1797, 5)
    small = replicated(Digits(images_per_class=10), 3)
    assert ids(small, "test") == ids(replicates[3], "test")
    assert small.record()["left_out"] == ["using 100 of 1,079 training images (data.images_per_class=10)"]


def test_pictures_are_the_images_in_grey(digits: Digits) -> None:
    first, last = digits.pictures(["0", "1796"])
    images = np.concatenate([digits.pool().inputs[digits.pool().ids == name] for name in ("0", "1796")])
    assert (first.shape, first.dtype) == ((8, 8, 1), np.uint8)
    assert np.abs(np.stack([first, last])[..., 0] / 255 - images[:, 0]).max() <= 0.5 / 255
    with pytest.raises(ValueError, match="the data set has no example 1797"):
        digits.pictures(["3", "1797"])
