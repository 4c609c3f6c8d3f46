"""A folder of class folders: every image in exactly one split, the same share of every class."""

from collections import Counter
from collections.abc import Callable
from dataclasses import fields
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from odd_files import photos

from lossbench.data.images.folder import ImageFolder
from lossbench.data.source import SPLITS

SIZES = {"ant": 10, "Bee": 20, "cat ä": 15}
NAMES = sorted(f"{name}/{i}.jpg" for name, count in SIZES.items() for i in range(count))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    photos(tmp_path / "images", NAMES)
    return tmp_path / "images"


@pytest.fixture
def source(root: Path, tmp_path: Path) -> Callable[..., ImageFolder]:
    return lambda **given: ImageFolder(**{"root": str(root), "cache_dir": str(tmp_path / "cache"), **given})


def refusal(call: Callable[[], object]) -> str:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - compared whole
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def per_class(names: Any) -> dict[str, int]:
    return dict(Counter(name.split("/")[0] for name in names))


def test_every_image_once_and_the_same_share_of_every_class(source: Callable[..., ImageFolder]) -> None:
    found = source()
    splits = found.splits
    assert sorted(name for split in splits.values() for name in split.ids.tolist()) == NAMES
    assert per_class(splits["test"].ids.tolist()) == {"Bee": 4, "ant": 2, "cat ä": 3}
    assert per_class(splits["val"].ids.tolist()) == {"Bee": 3, "ant": 2, "cat ä": 2}
    assert found.class_names == ("Bee", "ant", "cat ä")
    for split in splits.values():
        assert [found.class_names[target] for target in split.targets] == [
            name.split("/")[0] for name in split.ids.tolist()
        ]


def test_seeds_draw_other_splits_of_the_same_images(source: Callable[..., ImageFolder]) -> None:
    drawn = [source(split_seed=seed) for seed in (0, 1, 2)]
    for split in SPLITS:
        assert len({tuple(found.listed.files[split]) for found in drawn}) == 3
    assert len({found.fingerprint() for found in drawn}) == 3
    assert source(split_seed=1).fingerprint() == drawn[1].fingerprint()


def test_few_images_are_nested_and_tested_on_the_same(source: Callable[..., ImageFolder]) -> None:
    drawn = [source(images_per_class=n).listed.files for n in (3, 5, 8)]
    for small, large in pairwise(drawn):
        assert {*small["train"]} < {*large["train"]}
        assert {*small["val"]} <= {*large["val"]}
        assert small["test"] == large["test"] == source().listed.files["test"]
    assert [per_class([*part["train"], *part["val"]]) for part in drawn] == [
        dict.fromkeys(("Bee", "ant", "cat ä"), n) for n in (3, 5, 8)
    ]


def test_a_new_image_moves_none_of_another_class(source: Callable[..., ImageFolder], root: Path) -> None:
    def others() -> dict[str, str]:
        return {
            name: split
            for split, names in source().listed.files.items()
            for name in names
            if not name.startswith("ant/")
        }

    before = others()
    photos(root, ["ant/new.jpg"])
    assert others() == before
    assert "ant/new.jpg" in {name for names in source().listed.files.values() for name in names}


@pytest.fixture
def lists(tmp_path: Path) -> Callable[..., dict[str, str]]:
    """Three lists: all of the images but ant, taken in turn."""

    def write(**changed: list[str]) -> dict[str, str]:
        names = [name for name in NAMES if not name.startswith("ant")]
        whole = {"train": names[::3], "val": names[1::3], "test": names[2::3], **changed}
        for split, lines in whole.items():
            (tmp_path / f"{split}.txt").write_text("\n".join(lines))
        return {f"{split}_list": str(tmp_path / f"{split}.txt") for split in SPLITS}

    return write


def test_lists_say_all_of_the_split(source: Callable[..., ImageFolder], lists: Callable[..., dict[str, str]]) -> None:
    given = lists()
    found = source(**given)
    assert {split: list(names) for split, names in found.listed.files.items()} == {
        split: sorted(Path(given[f"{split}_list"]).read_text().splitlines()) for split in SPLITS
    }
    assert found.class_names == ("Bee", "cat ä")
    assert found.splits["test"].targets.tolist() == [
        int(name.startswith("cat")) for name in found.splits["test"].ids.tolist()
    ]
    hashes = [found.facts()["lists"][split]["sha256"] for split in SPLITS]
    assert len({*hashes}) == 3
    shorter = Path(given["train_list"]).read_text().splitlines()[:-1]
    again = source(**lists(train=shorter)).facts()["lists"]
    assert [again[split]["sha256"] == old for split, old in zip(SPLITS, hashes, strict=True)] == [False, True, True]


def test_lists_that_do_not_say_what_is_train(
    source: Callable[..., ImageFolder], lists: Callable[..., dict[str, str]]
) -> None:
    given = lists()
    line = "val_list needs train_list too: it says what is train, and what of it is held out"
    assert refusal(lambda: source(val_list=given["val_list"], test_list=given["test_list"])) == line


@pytest.mark.parametrize(("first", "second"), [("train", "val"), ("train", "test"), ("val", "test")])
def test_lists_that_overlap(
    source: Callable[..., ImageFolder], lists: Callable[..., dict[str, str]], first: str, second: str
) -> None:
    shared = {"train": "Bee/0.jpg", "val": "Bee/1.jpg", "test": "Bee/10.jpg", first: "Bee/2.jpg", second: "Bee/2.jpg"}
    given = lists(**{split: [name, f"cat ä/{k}.jpg"] for k, (split, name) in enumerate(shared.items())})
    assert (
        refusal(lambda: source(**given).splits)
        == f"{second}_list and {first}_list share 1 images, for instance Bee/2.jpg"
    )


def test_a_class_that_is_never_learnt(source: Callable[..., ImageFolder], lists: Callable[..., dict[str, str]]) -> None:
    given = lists(test=["Bee/10.jpg", "ant/1.jpg"])
    line = "root: the test split has 1 classes that the training split lacks, for instance ant"
    assert refusal(lambda: source(**given).splits) == line


def test_lists_and_images_per_class_exclude_each_other(
    source: Callable[..., ImageFolder], lists: Callable[..., dict[str, str]]
) -> None:
    line = refusal(lambda: source(images_per_class=4, **lists()))
    assert line == "images_per_class=4 draws a subset, but train_list says all of the split; leave one out"


def test_what_can_never_be_data_is_passed_by(source: Callable[..., ImageFolder], root: Path) -> None:
    before = source()
    photos(root, [".hidden/0.jpg", "ant/.hidden/1.jpg", "__MACOSX/ant/._2.jpg", "ant/@eaDir/0.jpg/thumb.jpg"])
    for name in ("ant/notes.txt", "ant/Thumbs.db", "ant/.DS_Store", "ant/._0.jpg"):
        (root / name).write_text("no image")
    found = source(on_bad_image="skip")
    assert found.class_names == before.class_names
    assert (found.fingerprint(), found.left_out()) == (before.fingerprint(), [])
    photos(root, ["ant/SHOUTED.JPEG"])
    assert source().fingerprint() != before.fingerprint()


def test_nested_images_belong_to_the_class_above_them(source: Callable[..., ImageFolder], root: Path) -> None:
    photos(root, [f"dog/{year}/{i}.jpg" for year in ("2019", "2020/june") for i in range(5)])
    found = source()
    assert found.class_names == ("Bee", "ant", "cat ä", "dog")
    assert Counter(name for split in found.splits.values() for name in split.targets.tolist())[3] == 10
    assert {name.split("/")[0] for name in found.splits["test"].ids[found.splits["test"].targets == 3]} == {"dog"}


def test_what_is_left_out_is_named(source: Callable[..., ImageFolder], root: Path) -> None:
    photos(root, ["flat.jpg", "rare/1.jpg"])
    (root / "empty").mkdir()
    (root / "gone").symlink_to(root / "nothing")
    assert source(images_per_class=None).left_out() == [
        "class folders without images: empty",
        "images beside the class folders: flat.jpg",
        "class folders that are broken links: gone",
        "the val split has no example of rare",
        "the test split has no example of rare",
    ]
    (root / "rare" / "1.jpg").unlink()
    assert source(images_per_class=4).left_out()[0] == "using 12 of 36 training images (data.images_per_class=4)"


def test_one_class_is_refused_with_the_folders_in_it(source: Callable[..., ImageFolder], root: Path) -> None:
    line = refusal(lambda: source(root=str(root.parent)).splits)
    assert line == (
        f"root={root.parent} has one class, images; two folders or more, one a class, are needed; it holds the folders "
        f"Bee, ant, cat ä: is data.root={root.parent}/images meant?"
    )


WRONG = {
    "no folder": (
        {"root": "/nonexistent"},
        "root=/nonexistent is not a folder; name the one that holds a folder for each class, or train/ and test/",
    ),
    "too many": (
        {"images_per_class": 9},
        "images_per_class must be <= 8 (class ant has no more), got 9; images_per_class=null takes all",
    ),
    "no validation": ({"val_fraction": 0.01}, "val_fraction leaves no val images in classes of this size"),
    "no training": (
        {"images_per_class": 2, "val_fraction": 0.9},
        "val_fraction leaves no train images in classes of this size",
    ),
    "no test": ({"test_fraction": 0.01}, "test_fraction leaves no test images in classes of this size"),
    "fraction": ({"test_fraction": 0}, "test_fraction must be a number > 0 and < 1, got 0"),
    "one image": ({"images_per_class": 1}, "images_per_class must be a whole number >= 2, got 1"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_mistake_is_one_line(source: Callable[..., ImageFolder], case: str) -> None:
    given, line = WRONG[case]
    assert refusal(lambda: source(**given).splits) == line


def test_a_folder_without_class_folders(source: Callable[..., ImageFolder], root: Path) -> None:
    line = refusal(lambda: source(root=str(root / "ant")).splits)
    assert line == (
        f"root={root / 'ant'}: {root / 'ant'} has no class folders with images (./<class>/*.jpg); it holds 10 images: "
        "data=image_table reads their classes from a table"
    )


def test_its_settings() -> None:
    own = {
        "root",
        "on_bad_image",
        "images_per_class",
        "split_seed",
        "val_fraction",
        "test_fraction",
        "train_list",
        "val_list",
        "test_list",
    }
    assert {field.name for field in fields(ImageFolder)} == own | {
        *{"image_size", "resize", "mean", "std", "interpolation", "cache_dir"}
    }
