"""Replicates of images: folds that cover a folder, or train and val drawn anew beside a published test part."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from photos import make_imagenet, make_pets, save_photo

from lossbench.data.checks import check_splits
from lossbench.data.images import reader
from lossbench.data.images.fake import FakeImages
from lossbench.data.images.folder import ImageFolder
from lossbench.data.images.image_source import ImageSource
from lossbench.data.images.imagenet import ImageNetSubset
from lossbench.data.images.listing import Listing
from lossbench.data.images.pets import Pets
from lossbench.data.images.source import FileSource
from lossbench.data.module import DataModule
from lossbench.data.source import SPLITS, replicated
from lossbench.errors import UserError

SIZES = {"cat": 13, "dog": 11, "owl": 9}
MANY = 10


def folder(tmp_path: Path, sizes: dict[str, int] = SIZES, **settings: object) -> ImageFolder:
    """Make class folders, every third image in a folder of its own, and read them."""
    root = tmp_path / "images"
    for c, (label, n) in enumerate(sizes.items()):
        for i in range(n):
            path = root / label / (f"more/{i}.jpg" if i % 3 == 2 else f"{i}.jpg")
            if not path.exists():
                save_photo(path, 100 * c + i)
    return ImageFolder(root=str(root), cache_dir=str(tmp_path / "cache"), image_size=16, **settings)  # pyright: ignore[reportArgumentType]


def with_lists(tmp_path: Path) -> ImageFolder:
    """Lists of 4 to learn from, 2 to validate and 3 to test on of each class."""
    folder(tmp_path)
    lists = {}
    for name, which in (("train", (0, 1, 3, 4)), ("val", (6, 7)), ("test", ("more/2", "more/5", "more/8"))):
        lists[f"{name}_list"] = str(tmp_path / f"{name}.txt")
        lines = (f"{label}/{i}.jpg\n" for label in SIZES for i in which)
        (tmp_path / f"{name}.txt").write_text("".join(lines))
    return folder(tmp_path, **lists)


def imagenet(tmp_path: Path, split_seed: int = 0) -> ImageNetSubset:
    root = make_imagenet(tmp_path / "imagenet", train=9)
    settings = {"cache_dir": str(tmp_path / "cache"), "image_size": 16, "images_per_class": 7, "split_seed": split_seed}
    return ImageNetSubset(root=str(root), **settings)


def pets(tmp_path: Path, split: str) -> Pets:
    root = make_pets(tmp_path / "pets", trainval=7, test=4)
    return Pets(root=str(root), cache_dir=str(tmp_path / "cache"), image_size=16, split=split)


def fake(tmp_path: Path) -> FakeImages:
    sizes = {"n_train": 22, "n_val": 6, "n_test": 7}
    return FakeImages(cache_dir=str(tmp_path / "cache"), image_size=16, height=16, width=20, classes=3, **sizes)


@dataclass(frozen=True, kw_only=True)
class Own(FileSource):
    """A user's own data set of files, which splits them itself."""

    folds = 5  # pyright: ignore[reportAssignmentType, reportIncompatibleMethodOverride] - as users write it

    def listing(self) -> Listing:
        names = sorted(str(path.relative_to(self.folder)) for path in self.folder.rglob("*.jpg"))
        files = {"train": names[::2], "val": names[1::4], "test": names[3::4]}
        targets = {split: [sorted(SIZES).index(name.split("/")[0]) for name in part] for split, part in files.items()}
        return Listing(tuple(SIZES), files, targets, {})


def own(tmp_path: Path) -> Own:
    made = folder(tmp_path)
    return Own(root=made.root, cache_dir=made.cache_dir, image_size=16)


FOLDED: dict[str, Callable[[Path], ImageSource]] = {
    "folder": folder,
    "pets": lambda path: pets(path, "random"),
    "fake": fake,
    "own": own,
}
PUBLISHED: dict[str, Callable[[Path], ImageSource]] = {
    "lists": with_lists,
    "imagenet": imagenet,
    "pets": lambda path: pets(path, "official"),
}


def ids(source: ImageSource, split: str) -> list[str]:
    return source.splits[split].ids.tolist()


def check_draws(source: ImageSource, replicates: int) -> list[ImageSource]:
    """What holds for all replicates of any image data set."""
    drawn = [replicated(source, r) for r in range(replicates)]
    everything = source.pool().ids.tolist()
    for each in drawn:
        check_splits(each)
        used = [name for split in SPLITS for name in ids(each, split)]
        assert len(used) == len({*used})
        assert {*used} <= {*everything}
        assert (each.sizes(each.splits["test"]) > 0).all()
    assert len({(len(each.splits["train"]), len(each.splits["val"])) for each in drawn}) == 1
    assert len({tuple(ids(each, "train")) for each in drawn}) == replicates
    assert len({each.fingerprint() for each in drawn}) == 1
    assert drawn[0].fingerprint() != source.fingerprint()
    again = replicated(drawn[1], 0)
    assert all(ids(again, split) == ids(drawn[0], split) for split in SPLITS)
    return drawn


@pytest.mark.parametrize("make", FOLDED.values(), ids=FOLDED)
def test_every_image_is_tested_once_in_a_repeat_of_the_folds(
    make: Callable[[Path], ImageSource], tmp_path: Path
) -> None:
    source = make(tmp_path)
    assert source.folds == 5
    before = {split: ids(source, split) for split in SPLITS}
    drawn = check_draws(source, 10)
    for repeat in (drawn[:5], drawn[5:]):
        tested = [name for each in repeat for name in ids(each, "test")]
        assert sorted(tested) == sorted(source.pool().ids.tolist())
    assert len({len(each.splits["test"]) for each in drawn}) <= 2
    counts = [np.bincount(each.splits["test"].targets, minlength=3) for each in drawn]
    assert (np.ptp(counts, axis=0) <= 1).all()
    assert {split: ids(replace(source), split) for split in SPLITS} == before


@pytest.mark.parametrize("make", PUBLISHED.values(), ids=PUBLISHED)
def test_a_published_test_part_is_kept_and_the_rest_is_drawn_anew(
    make: Callable[[Path], ImageSource], tmp_path: Path
) -> None:
    source = make(tmp_path)
    assert source.folds is None
    learn = sorted(ids(source, "train") + ids(source, "val"))
    for each in check_draws(source, 4):
        assert ids(each, "test") == ids(source, "test")
        assert sorted(ids(each, "train") + ids(each, "val")) == learn
        assert len(each.splits["val"]) == len(source.splits["val"])
        counts = np.bincount(each.splits["val"].targets)
        assert np.ptp(counts) <= 1


def test_another_split_seed_draws_other_replicates(tmp_path: Path) -> None:
    for make in (folder, imagenet):
        first, second = (replicated(make(tmp_path, split_seed=seed), 3) for seed in (0, 1))
        assert ids(first, "train") != ids(second, "train")


def test_subsets_of_replicates_are_nested_and_counted(tmp_path: Path) -> None:
    few, more = (replicated(folder(tmp_path, images_per_class=n), 2) for n in (3, 7))
    for split, n in (("train", 2), ("val", 1)):
        assert {*ids(few, split)} <= {*ids(more, split)}
        assert np.bincount(few.splits[split].targets).tolist() == [n] * 3
    assert ids(few, "test") == ids(more, "test") == ids(replicated(folder(tmp_path), 2), "test")
    there = sum(SIZES.values()) - len(few.splits["test"])
    assert few.fingerprint() == replicated(folder(tmp_path, images_per_class=3), 4).fingerprint() != more.fingerprint()
    assert few.left_out() == [f"using 9 of {there} training images (data.images_per_class=3)"]
    message = r"images_per_class must be <= 7 with replicate= \(class owl has 9 images, of which 2 are tested\), got 8"
    for r in range(5):
        with pytest.raises(ValueError, match=message):
            replicated(folder(tmp_path, images_per_class=8), r).draw(r)


def test_unreadable_images_are_in_no_replicate(tmp_path: Path) -> None:
    folder(tmp_path)
    (tmp_path / "images" / "cat" / "0.jpg").write_bytes(b"")
    with pytest.raises(UserError, match=r"^1 of 33 images cannot be read, the first is .*cat/0\.jpg \(empty file\)"):
        replicated(folder(tmp_path), 1).pool()
    source = folder(tmp_path, on_bad_image="skip")
    for each in check_draws(source, 5):
        assert len(each.pool()) == 32
        assert not any("cat/0.jpg" in ids(each, split) for split in SPLITS)
        assert each.facts()["skipped_images"] == {"pool": 1}
        assert each.left_out() == ["1 images cannot be read (data.on_bad_image=skip)"]


def test_small_classes_are_named(tmp_path: Path) -> None:
    """Those that some replicates do not test; one that could not be learnt from is refused in every replicate."""
    source = folder(tmp_path, SIZES | {"yak": 3})
    untested = 0
    for each in check_draws(source, 5):
        (*lacking, rare) = each.left_out()
        assert rare == "classes with fewer images than the 5 folds, which some replicates do not test: yak (3)"
        assert 3 in each.splits["train"].targets
        without = 3 not in each.splits["test"].targets
        assert ("the test split has no example of yak" in lacking) is without
        untested += without
    assert untested == 2
    save_photo(tmp_path / "images" / "zebra" / "0.jpg", 1)
    for r in range(5):
        with pytest.raises(ValueError, match=r"two readable images or more of each class.* tested; zebra: add images"):
            check_splits(replicated(folder(tmp_path), r))


def test_copies_among_a_replicates_own_splits_are_counted(tmp_path: Path) -> None:
    source = folder(tmp_path)
    (tmp_path / "images" / "cat" / "copy.jpg").write_bytes((tmp_path / "images" / "cat" / "1.jpg").read_bytes())
    for each in check_draws(source, 5):
        where = {name: split for split in SPLITS for name in ids(each, split)}
        pair = {where.get("cat/copy.jpg"), where.get("cat/1.jpg")}
        assert each.facts()["learnt_images"] == {name: int(pair == {"train", name}) for name in ("val", "test")}


def test_a_test_fraction_that_gives_no_folds_is_refused_for_replicates_alone(tmp_path: Path) -> None:
    source = folder(tmp_path, test_fraction=0.3)
    assert len(source.splits["test"]) > 0
    with pytest.raises(ValueError, match=r"^test_fraction must be 1 / k .*got 0\.3, the nearest are"):
        check_splits(replicated(source, 0))


def test_all_replicates_and_split_seeds_decode_each_image_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[int] = []
    decode = reader.decode
    monkeypatch.setattr(reader, "decode", lambda content: decoded.append(1) or decode(content))
    replicates = [replicated(folder(tmp_path), r) for r in range(MANY)]
    for source in [*replicates, *(folder(tmp_path, split_seed=seed) for seed in range(3))]:
        DataModule(source, 0, 4, cache="disk").prepare()
    assert len(decoded) == sum(SIZES.values())
    assert len([*(tmp_path / "cache" / "images").iterdir()]) == 1


@pytest.mark.parametrize("cache", ["disk", "gpu"])
def test_a_replicate_sees_the_pixels_of_its_files(cache: str, tmp_path: Path) -> None:
    source = replicated(folder(tmp_path), 3)
    plain, kept = (DataModule(source, 0, 4, cache=mode) for mode in ("none", cache))
    for stage in ("val", "test", "pool"):
        for a, b in zip(plain.evaluation_loader(stage), kept.evaluation_loader(stage), strict=True):
            seen, same = (module.device_transforms(batch, stage).inputs for module, batch in ((plain, a), (kept, b)))
            assert seen.equal(same)
