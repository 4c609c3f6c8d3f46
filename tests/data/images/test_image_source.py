"""Images in files: unreadable ones are named or left out and counted, the others stay with their labels."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from odd_files import photos, write_bad, write_odd
from PIL import Image

from lossbench.data.images.fake import FakeImages
from lossbench.data.images.folder import ImageFolder
from lossbench.data.images.source import FileSource, Listing
from lossbench.data.module import DataModule
from lossbench.data.source import SPLITS
from lossbench.errors import UserError
from lossbench.rundir.directory import RunDirectory


@dataclass(frozen=True, kw_only=True)
class Mixed(FileSource):
    """Good, odd and bad files of two classes, dealt out in turn, the names in falling order."""

    def listing(self) -> Listing:
        names = sorted((str(path.relative_to(self.folder)) for path in self.folder.glob("*/*")), reverse=True)
        files = {split: names[i::3] for i, split in enumerate(SPLITS)}
        targets = {split: [("a", "b").index(name[0]) for name in part] for split, part in files.items()}
        return Listing(("a", "b"), files, targets, {"drawn": "in turn"})


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "images"


@pytest.fixture
def bad(root: Path) -> dict[str, str]:
    """Fills the folder; the reason for each path that cannot be read."""
    photos(root, [f"{label}/{i}.jpg" for label in "ab" for i in range(9)])
    write_odd(root / "a")
    return {f"{label}/{name}": reason for label in "ab" for name, reason in write_bad(root / label).items()}


@pytest.fixture
def source(root: Path, tmp_path: Path) -> Callable[..., Mixed]:
    return lambda **given: Mixed(**{"root": str(root), "cache_dir": str(tmp_path / "cache"), **given})


def test_every_unreadable_file_is_known_with_its_reason(
    source: Callable[..., Mixed], bad: dict[str, str], root: Path
) -> None:
    found = source()
    assert len(bad) == 28
    assert {path: reason for _, path, reason in found.bad()} == {
        f"{root}/{name}": reason for name, reason in bad.items()
    }
    split_of = {name: split for split, names in found.listed.files.items() for name in names}
    assert all(split == split_of[path.removeprefix(f"{root}/")] for split, path, _ in found.bad())


def test_training_is_refused_in_one_line_that_says_what_to_do(
    source: Callable[..., Mixed], bad: dict[str, str], root: Path
) -> None:
    found = source()
    first = next(name for name in found.listed.files["train"] if name in bad)
    with pytest.raises(UserError) as caught:
        _ = found.splits
    assert str(caught.value) == (
        f"28 of 55 images cannot be read, the first is {root / first} ({bad[first]}); list them all with lossbench "
        "check, then repair or delete them, or leave them out with data.on_bad_image=skip"
    )


def test_skipping_leaves_out_these_and_no_others(source: Callable[..., Mixed], bad: dict[str, str]) -> None:
    found = source(on_bad_image="skip")
    for name, split in found.splits.items():
        assert split.ids.tolist() == [file for file in found.listed.files[name] if file not in bad]
        assert split.targets.tolist() == [("a", "b").index(file[0]) for file in split.ids.tolist()]
        assert split.inputs.tolist() == split.ids.tolist()
        assert split.targets.dtype == np.int64
    left_out = {name: sum(file in bad for file in found.listed.files[name]) for name in SPLITS}
    assert found.facts() == {"drawn": "in turn", "skipped_images": left_out, "learnt_images": {"val": 0, "test": 0}}
    assert min(left_out.values()) > 0


def test_sizes_stay_with_their_images_when_others_are_left_out(
    source: Callable[..., Mixed], bad: dict[str, str], root: Path
) -> None:
    for i in range(9):
        photos(root, [f"b/{i}.jpg"], size=(20 + i, 40 - i))
    found = source(on_bad_image="skip")
    for split in found.splits.values():
        for name, size in zip(split.ids.tolist(), found.sizes(split).tolist(), strict=True):
            with Image.open(root / name) as image:
                assert size == list(image.size[:: 1 if name == "a/turned.jpg" else -1])
        order = np.arange(len(split))[::-1]
        assert found.sizes(split.take(order)).tolist() == found.sizes(split).tolist()[::-1]
        assert found.digests(split.take(order)).tolist() == found.digests(split).tolist()[::-1]


def test_what_is_left_out_does_not_count_in_the_fingerprint(
    source: Callable[..., Mixed], bad: dict[str, str], root: Path
) -> None:
    before = source(on_bad_image="skip").fingerprint()
    (root / next(iter(bad))).write_bytes(b"still no image")
    assert source(on_bad_image="skip").fingerprint() == before


def test_every_image_that_is_left_can_be_trained_on(source: Callable[..., Mixed], bad: dict[str, str]) -> None:
    found = source(on_bad_image="skip", image_size=16)
    data = DataModule(found, seed=0, batch_size=4)
    for name, split in found.splits.items():
        batches = list(data.evaluation_loader(name))
        assert sum(len(batch.target) for batch in batches) == len(split)
        assert all(batch.inputs.shape[1:] == (16, 16, 3) for batch in batches)


def test_a_split_without_any_readable_image(source: Callable[..., Mixed], root: Path) -> None:
    photos(root, ["a/1.jpg", "a/2.jpg", "a/3.jpg"])
    (root / "a" / "2.jpg").write_bytes(b"")
    with pytest.raises(ValueError, match=rf"^root={root} has no readable val image$"):
        _ = source(on_bad_image="skip").splits
    with pytest.raises(UserError, match=r"^1 of 3 images cannot be read, the first is .*/a/2.jpg \(empty file\); "):
        _ = source().splits


def test_a_run_is_planned_on_what_is_left(planned: Callable[..., RunDirectory], root: Path, tmp_path: Path) -> None:
    photos(root, [f"{label}/{i}.jpg" for label in "ab" for i in range(10)])
    where = ("data=image_folder", f"data.root={root}", f"data.cache_dir={tmp_path / 'cache'}")
    whole = planned(*where)
    (root / "a" / "3.jpg").write_bytes(b"")
    with pytest.raises(
        UserError, match=rf"^1 of 20 images cannot be read, the first is {root}/a/3.jpg \(empty file\); "
    ):
        planned(*where)
    less = planned(*where, "data.on_bad_image=skip")
    assert less.config.fingerprint != whole.config.fingerprint


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, 256),
        ({"image_size": 64}, 64),
        ({"image_size": 65}, 74),
        ({"image_size": 8}, 8),
        ({"image_size": 384}, 439),
        ({"image_size": 224, "resize": 224}, 224),
        ({"image_size": 32, "resize": 40}, 40),
    ],
)
def test_the_shorter_side_before_the_centre_crop(given: dict[str, int], expected: int) -> None:
    assert FakeImages(**given).shorter_side == expected


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"image_size": 7}, "image_size must be a whole number >= 8, got 7"),
        ({"image_size": 32.0}, "image_size must be a whole number >= 8, got 32.0"),
        ({"resize": 223}, "resize must be a whole number >= 224, got 223"),
        ({"mean": 0.5}, "mean must be three numbers such as [0.5,0.5,0.5], got 0.5"),
        ({"mean": [0.5, 0.5]}, "mean must be three numbers such as [0.5,0.5,0.5], got [0.5, 0.5]"),
        ({"mean": [0.5, -0.1, 0.5]}, "mean must be a number >= 0, got -0.1"),
        ({"std": [0.5, 0.0, 0.5]}, "std must be a number > 0, got 0.0"),
        ({"std": [0.5, 0.5, "x"]}, "std must be a number > 0, got 'x'"),
        ({"std": [0.5, 0.5, float("nan")]}, "std must be a number > 0, got nan"),
        ({"std": None}, "std must be three numbers such as [0.5,0.5,0.5], got None"),
        ({"on_bad_image": "ignore"}, "on_bad_image=ignore is not allowed; Available: error, skip"),
        ({"root": ""}, "root must be a folder, got ''"),
    ],
)
def test_settings_are_checked(given: dict[str, Any], line: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - compared whole
        ImageFolder(**{"root": "images", **given})
    assert str(caught.value) == line


def test_mean_and_std_may_be_anything_that_normalises() -> None:
    assert FakeImages(mean=[0, 0, 0], std=(1, 1, 2.5)).input_shape == (3, 224, 224)


def test_images_seen_in_training_under_another_name_are_counted(root: Path, tmp_path: Path) -> None:
    photos(root, [f"{label}/{i}.jpg" for label in "ab" for i in range(6)])
    found = Mixed(root=str(root), cache_dir=str(tmp_path / "cache"))
    assert found.learnt() == {"val": 0, "test": 0}
    learnt, tested = found.listed.files["train"][0], found.listed.files["test"][1]
    (root / tested).write_bytes((root / learnt).read_bytes())
    again = Mixed(root=str(root), cache_dir=str(tmp_path / "cache"))
    assert again.facts()["learnt_images"] == {"val": 0, "test": 1}
    what = "1 test images have the content of a training image: a score on them says nothing about new images"
    assert again.about()[1:] == [what]


@pytest.mark.parametrize("splits", [("train",), ("train", "val", "test")])
def test_a_class_whose_training_images_are_all_unreadable_is_refused(
    root: Path, tmp_path: Path, splits: tuple[str, ...]
) -> None:
    photos(root, [f"{label}/{i}.jpg" for label in "ab" for i in range(6)])
    found = Mixed(root=str(root), cache_dir=str(tmp_path / "cache"), on_bad_image="skip")
    for name in (name for split in splits for name in found.listed.files[split]):
        if name.startswith("a/"):
            (root / name).write_bytes(b"")
    with pytest.raises(ValueError, match=r"no training image of a can be read; repair one, or remove the class$"):
        Mixed(root=str(root), cache_dir=str(tmp_path / "cache"), on_bad_image="skip").load()


def test_what_is_left_out_is_one_line_and_in_the_record(source: Callable[..., Mixed], root: Path) -> None:
    photos(root, [f"{label}/{i}.jpg" for label in "ab" for i in range(6)])
    (root / "a" / "0.jpg").write_bytes(b"")
    assert source().left_out() == []  # it will be refused, not left out
    found = source(on_bad_image="skip")
    clause = "1 images cannot be read (data.on_bad_image=skip)"
    assert found.left_out_line() == f"data: {clause}"
    counts = {"examples": 4, "smallest_class": 2, "largest_class": 2}
    assert found.record() == {**found.facts(), "train_counts": counts, "left_out": [clause]}
    (root / "a" / "3.jpg").write_bytes(b"")  # the other one of the test split
    missing = "the test split has no example of a"
    assert source(on_bad_image="skip").left_out() == ["2 images cannot be read (data.on_bad_image=skip)", missing]


def test_pictures_are_read_by_name_and_stay_in_the_folder(source: Callable[..., Mixed], root: Path) -> None:
    photos(root, [f"{label}/{i}.jpg" for label in "ab" for i in range(3)])
    (picture,) = source().pictures(["a/1.jpg"])
    assert np.array_equal(picture, np.asarray(Image.open(root / "a" / "1.jpg").convert("RGB")))
    for name, reason in (("../other.jpg", "has a .. part"), ("a/9.jpg", "cannot be read: No such file")):
        with pytest.raises(ValueError, match=reason):
            source().pictures([name])
    fake = FakeImages(image_size=8, n_train=3, n_val=2, n_test=2)
    assert np.array_equal(fake.pictures(["5"])[0], fake.make(5, 0))
    with pytest.raises(ValueError, match="has no example 7"):
        fake.pictures(["7"])
