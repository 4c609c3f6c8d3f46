"""Class folders, or such folders for train, val and test: which are read as what, what is held out, what is refused."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from odd_files import photos

from lossbench.data.image_tables.table import ImageTable
from lossbench.data.images.folder import ImageFolder
from lossbench.data.images.imagenet import ImageNetSubset
from lossbench.data.images.random_split import RandomSplitSource
from lossbench.data.source import SPLITS, replicated

CLASSES = ("ant", "bee", "cat")


def made(root: Path, **counts: int) -> None:
    """Class folders of so many images in each of some folders; "." is the root itself."""
    photos(root, [f"{part}/{label}/{part}{i}.jpg" for part, n in counts.items() for label in CLASSES for i in range(n)])


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "photos").mkdir()
    return tmp_path / "photos"


@pytest.fixture
def folder(root: Path, tmp_path: Path) -> Callable[..., ImageFolder]:
    return lambda **given: ImageFolder(root=str(root), cache_dir=str(tmp_path / "cache"), **given)


@pytest.fixture
def imagenet(root: Path, tmp_path: Path) -> Callable[..., ImageNetSubset]:
    return lambda **given: ImageNetSubset(root=str(root), cache_dir=str(tmp_path / "cache"), **given)


def origins(source: RandomSplitSource) -> dict[str, Sequence[tuple[str, int]]]:
    """How many images of each split come from which folder of the root."""
    names = {split: [name.split("/")[0] for name in part.ids.tolist()] for split, part in source.splits.items()}
    return {split: sorted((name, part.count(name)) for name in {*part}) for split, part in names.items()}


KEPT = {
    "all three": (
        {"train": 5, "val": 2, "test": 4},
        {"train": [("train", 15)], "val": [("val", 6)], "test": [("test", 12)]},
        "train/ is train, val/ is val, test/ is test",
    ),
    "other words": (
        {"Training": 5, "VALIDATION": 2, "Testing": 4},
        {"train": [("Training", 15)], "val": [("VALIDATION", 6)], "test": [("Testing", 12)]},
        "Training/ is train, VALIDATION/ is val, Testing/ is test",
    ),
    "no val": (
        {"train": 10, "test": 4},
        {"train": [("train", 24)], "val": [("train", 6)], "test": [("test", 12)]},
        "train/ is train, test/ is test, 0.2 of each class of train/ is val (data.val_fraction)",
    ),
    "no test": (
        {"train": 10, "valid": 3},
        {"train": [("train", 24)], "val": [("valid", 9)], "test": [("train", 6)]},
        "train/ is train, valid/ is val, 0.2 of each class of train/ is test (data.test_fraction)",
    ),
    "train alone": (
        {"train": 10},
        {"train": [("train", 18)], "val": [("train", 6)], "test": [("train", 6)]},
        "train/ is train, 0.2 of each class of train/ is test (data.test_fraction), 0.2 of the rest is val "
        "(data.val_fraction)",
    ),
}


@pytest.mark.parametrize("case", KEPT)
def test_parts_that_are_there_are_kept_and_the_others_held_out(
    folder: Callable[..., ImageFolder], root: Path, case: str
) -> None:
    counts, expected, line = KEPT[case]
    made(root, **counts)
    source = folder()
    assert source.class_names == CLASSES
    assert origins(source) == expected
    assert source.about()[1:] == [line]
    assert source.left_out() == []
    for split in source.splits.values():
        assert [CLASSES[target] for target in split.targets] == [name.split("/")[1] for name in split.ids.tolist()]


def test_replicates_keep_a_test_folder_or_test_on_folds_of_everything(
    folder: Callable[..., ImageFolder], root: Path
) -> None:
    made(root, train=8, val=2)
    folded = [replicated(folder(), r) for r in range(5)]
    tested = [name for each in folded for name in each.splits["test"].ids.tolist()]
    assert sorted(tested) == sorted(folder().pool().ids.tolist())
    assert len({*tested}) == 30
    _, *decided = folded[0].about()
    assert decided == [
        "replicates are drawn from train/ and val/ together",
        "each replicate is tested on one of 5 folds of all 30 images",
    ]
    made(root, test=3)
    for r in range(3):
        assert origins(replicated(folder(), r))["test"] == [("test", 9)]
    drawn = [replicated(folder(), r).splits["val"].ids.tolist() for r in range(3)]
    assert {len(names) for names in drawn} == {6}
    assert len({tuple(names) for names in drawn}) == 3


def test_few_images_of_each_class_of_train_beside_a_val_folder(folder: Callable[..., ImageFolder], root: Path) -> None:
    made(root, train=8, val=2, test=2)
    source = folder(images_per_class=5)
    assert {split: len(part) for split, part in source.splits.items()} == {"train": 15, "val": 6, "test": 6}
    assert source.left_out() == ["using 15 of 24 training images (data.images_per_class=5)"]


def test_what_is_not_used_beside_the_parts_is_named(folder: Callable[..., ImageFolder], root: Path) -> None:
    made(root, train=10, extra=2)
    photos(root, ["loose.jpg", "test/1.jpg", "test/2.jpg", "train/flat.jpg"])
    (root / "val").mkdir()
    source = folder()
    assert origins(source)["test"] == [("train", 6)]
    unused = ["extra/ is not used", "test/ is not used", "val/ is not used"]
    loose = ["images beside the folders: loose.jpg", "images beside the class folders: train/flat.jpg"]
    assert source.left_out() == [*unused, *loose]


def test_a_class_may_be_called_like_a_part(folder: Callable[..., ImageFolder], root: Path) -> None:
    photos(root, [f"{label}/{i}.jpg" for label in ("bus", "car", "train") for i in range(10)])
    source = folder()
    assert source.class_names == ("bus", "car", "train")
    assert source.about()[1] == "train/ is one of the classes, because no train/ holds class folders"


@pytest.mark.parametrize("part", ["", "train/"])
def test_folders_that_may_be_the_classes_are_named(folder: Callable[..., ImageFolder], root: Path, part: str) -> None:
    kinds = {"animal": ("cat", "dog"), "vehicle": ("bus", "car")}
    photos(root, [f"{part}{kind}/{name}/{i}.jpg" for kind, names in kinds.items() for name in names for i in range(5)])
    source = folder()
    assert source.class_names == ("animal", "vehicle")
    line = "folders in a class folder belong to the class: animal has cat, dog"
    assert source.about()[1] == line
    photos(root, [f"{part}plain/{i}.jpg" for i in range(5)])
    assert line not in folder().about()


def test_four_layouts_of_one_collection_have_the_same_classes_and_counts(root: Path, tmp_path: Path) -> None:
    names = [f"{label}/{i}.jpg" for label in CLASSES for i in range(10)]
    part = dict(zip(names, ["train"] * 6 + ["val"] * 2 + ["test"] * 2 + ["train"] * 20, strict=True))
    part = {name: part[names[int(name.split("/")[1][:-4])]] for name in names}
    photos(root, [*names, *(f"{part[name]}/{name}" for name in names)])
    for split in SPLITS:
        (tmp_path / "three").mkdir(exist_ok=True)
        (tmp_path / "two" / ("test" if split == "test" else "train")).mkdir(parents=True, exist_ok=True)
        (root / split).rename(tmp_path / "three" / split)
    for name in names:
        photos(tmp_path / "two", [f"{part[name].replace('val', 'train')}/{name}"])
    rows = "\n".join(f"{name},{name.split('/')[0]},{part[name]}" for name in names)
    (tmp_path / "labels.csv").write_text(f"file,label,split\n{rows}\n")
    cache = str(tmp_path / "cache")
    sources = [
        ImageFolder(root=str(root), cache_dir=cache),
        ImageFolder(root=str(tmp_path / "three"), cache_dir=cache),
        ImageFolder(root=str(tmp_path / "two"), cache_dir=cache, val_fraction=0.25),
        ImageTable(path=str(tmp_path / "labels.csv"), root=str(root), cache_dir=cache),
    ]
    for source in sources:
        assert source.class_names == CLASSES
        assert {split: np.bincount(part.targets).tolist() for split, part in source.splits.items()} == {
            "train": [6] * 3,
            "val": [2] * 3,
            "test": [2] * 3,
        }


UNCLEAR: Mapping[str, tuple[Sequence[str], str]] = {
    "two val folders": (
        [f"{part}/{label}/1.jpg" for part in ("train", "val", "dev") for label in CLASSES],
        "root={root} has dev/, val/, and each could be the val images; keep one, and give the other another name",
    ),
    "no train": (
        [f"{part}/{label}/1.jpg" for part in ("val", "test") for label in CLASSES],
        "root={root} has test/, val/ and no train/ that holds class folders (train/<class>/*.jpg)",
    ),
    "no classes": (
        ["train/cat.1.jpg", "train/dog.1.jpg", "test/1.jpg"],
        "root={root} has test/, train/ and no train/ that holds class folders (train/<class>/*.jpg)",
    ),
    "test beside classes": (
        [f"{prefix}{label}/1.jpg" for prefix in ("", "test/") for label in CLASSES],
        "root={root} has the class ant beside test/ and in it: put the class folders beside it into a folder train/, "
        "or test/ elsewhere",
    ),
    "val without classes": (
        [*(f"train/{label}/1.jpg" for label in CLASSES), "val/1.jpg"],
        "root={root}: {root}/val has no class folders with images (val/<class>/*.jpg); it holds 1 images: "
        "data=image_table reads their classes from a table",
    ),
    "a class to test only": (
        [*(f"train/{label}/{i}.jpg" for label in CLASSES for i in range(3)), "test/unknown/1.jpg"],
        "root: the test split has 1 classes that the training split lacks, for instance unknown",
    ),
    "parts below another folder": (
        [f"photos/{part}/{label}/1.jpg" for part in ("train", "test") for label in CLASSES],
        "root={root} has one class, photos; two folders or more, one a class, are needed; it holds the folders test, "
        "train: is data.root={root}/photos meant?",
    ),
}


@pytest.mark.parametrize("case", UNCLEAR)
def test_what_is_open_is_refused_in_one_line(folder: Callable[..., ImageFolder], root: Path, case: str) -> None:
    names, line = UNCLEAR[case]
    photos(root, names)
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - compared whole
        _ = folder(val_fraction=0.4, test_fraction=0.4).splits
    assert str(caught.value) == line.format(root=root)


IMAGENET = {
    "as ImageNet": ({"train": 60, "val": 4}, {"train": 120, "val": 30, "test": 12}, "val/ is test"),
    "with a test folder": ({"train": 10, "val": 4, "test": 5}, {"train": 30, "val": 12, "test": 15}, "val/ is val"),
    "class folders": ({".": 10}, {"train": 18, "val": 6, "test": 6}, "0.2 of each class is test, 0.2"),
    "no val": ({"train": 10}, {"train": 18, "val": 6, "test": 6}, "0.2 of each class of train/ is test, 0.2"),
}


@pytest.mark.parametrize("case", IMAGENET)
def test_a_subset_of_any_layout(imagenet: Callable[..., ImageNetSubset], root: Path, case: str) -> None:
    counts, expected, words = IMAGENET[case]
    made(root, **counts)
    source = imagenet()
    assert {split: len(part) for split, part in source.splits.items()} == expected
    assert words in source.about()[1]
    assert (source.folds is None) is source.published_test is ("is test," not in words)


def test_classes_smaller_than_the_default_of_a_subset_give_all_they_have(
    imagenet: Callable[..., ImageNetSubset], root: Path
) -> None:
    made(root, **{".": 70})
    photos(root, [f"rare/{i}.jpg" for i in range(10)])
    short = "classes with fewer than data.images_per_class=50 images give all they have: rare (8)"
    assert imagenet().about()[2:] == [short]
    assert imagenet().train_counts() == {"examples": 126, "smallest_class": 6, "largest_class": 40}
    drawn = [replicated(imagenet(), r) for r in range(5)]
    assert [len(each.splits[split]) for each in drawn for split in SPLITS] == [126, 32, 44] * 5
    assert drawn[0].about()[1] == short
    with pytest.raises(ValueError, match=r"images_per_class must be <= 8 \(class rare has no more\), got 40"):
        _ = imagenet(images_per_class=40).splits
