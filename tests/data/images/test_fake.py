"""Images made up on the spot: a function of the settings, one pattern a class."""

from typing import Any

import numpy as np
import pytest

from lossbench.data.images.fake import FakeImages
from lossbench.data.images.reader import reader_of

SMALL: dict[str, Any] = {
    "classes": 3,
    "n_train": 30,
    "n_val": 7,
    "n_test": 5,
    "height": 24,
    "width": 40,
    "image_size": 16,
}


def made(source: FakeImages, split: str) -> np.ndarray:
    pictures = reader_of(source, source.splits[split])
    return np.stack([pictures.read(i).numpy() for i in range(len(source.splits[split]))]).astype(float)


def test_the_same_settings_make_the_same_pixels() -> None:
    one, two, other = FakeImages(**SMALL), FakeImages(**SMALL), FakeImages(**SMALL, split_seed=1)
    for split in one.splits:
        np.testing.assert_array_equal(made(one, split), made(two, split))
        assert (made(one, split) != made(other, split)).mean() > 0.9
    assert one.fingerprint() == two.fingerprint() != other.fingerprint()


def test_no_two_images_are_alike() -> None:
    source = FakeImages(**SMALL)
    images = np.concatenate([made(source, split) for split in source.splits]).reshape(42, -1)
    assert len(np.unique(images, axis=0)) == 42


def test_images_of_a_class_look_more_alike_than_of_two() -> None:
    source = FakeImages(**SMALL)
    images, targets = made(source, "train").reshape(30, -1), source.splits["train"].targets
    distance = np.abs(images[:, None] - images).mean(-1)
    same = targets[:, None] == targets
    assert distance[same & ~np.eye(30, dtype=bool)].max() < distance[~same].min()


def test_the_pattern_of_a_class_is_the_same_in_every_split() -> None:
    source = FakeImages(**SMALL | {"n_train": 300})
    means = [made(source, "train")[source.splits["train"].targets == target].mean(0) for target in range(3)]
    for split in ("val", "test"):
        nearest = [np.argmin([np.abs(image - mean).mean() for mean in means]) for image in made(source, split)]
        assert nearest == source.splits[split].targets.tolist()


def test_counts_ids_and_classes() -> None:
    source = FakeImages(**SMALL)
    assert {name: len(split) for name, split in source.splits.items()} == {"train": 30, "val": 7, "test": 5}
    ids = [name for split in source.splits.values() for name in split.ids.tolist()]
    assert len({*ids}) == 42
    assert source.class_names == ("pattern 0", "pattern 1", "pattern 2")
    assert np.bincount(source.splits["train"].targets).tolist() == [10, 10, 10]
    assert (source.num_classes, source.input_shape) == (3, (3, 16, 16))


@pytest.mark.parametrize(("height", "width"), [(8, 8), (9, 31), (97, 13)])
def test_any_shape(height: int, width: int) -> None:
    source = FakeImages(**SMALL | {"height": height, "width": width})
    image = source.make(0, 0)
    assert (image.shape, image.dtype) == ((height, width, 3), np.uint8)
    assert made(source, "val").shape == (7, 3, height, width)
    assert source.sizes(source.splits["val"]).tolist() == [[height, width]] * 7


@pytest.mark.parametrize("change", [{"classes": 4}, {"height": 25}, {"width": 41}, {"n_train": 31}, {"n_test": 6}])
def test_the_fingerprint_changes_with_what_decides_the_images(change: dict[str, int]) -> None:
    assert FakeImages(**SMALL | change).fingerprint() != FakeImages(**SMALL).fingerprint()


@pytest.mark.parametrize(
    ("name", "low"),
    [("classes", 2), ("n_train", 1), ("n_val", 1), ("n_test", 1), ("height", 8), ("width", 8), ("split_seed", 0)],
)
def test_settings_are_checked(name: str, low: int) -> None:
    with pytest.raises(ValueError, match=rf"^{name} must be a whole number >= {low}, got {low - 1}$"):
        FakeImages(**SMALL | {name: low - 1})
