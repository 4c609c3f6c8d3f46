"""Few images of each class from train/, tested on all of val/: drawn by names alone, or listed."""

import os
from collections.abc import Callable, Iterable
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from odd_files import photos

from lossbench.data.images.imagenet import ImageNetSubset
from lossbench.data.source import SPLITS
from lossbench.errors import UserError
from lossbench.rundir.directory import RunDirectory

CLASSES = ("n01", "n02", "n03")
TRAIN = [f"train/{name}/{name}_{i}.JPEG" for name in CLASSES for i in range(20)]
VAL = [f"val/{name}/ILSVRC2012_val_{i}{name[1:]}.JPEG" for name in CLASSES for i in range(4)]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    photos(tmp_path / "imagenet", [*TRAIN, *VAL])
    return tmp_path / "imagenet"


@pytest.fixture
def source(root: Path, tmp_path: Path) -> Callable[..., ImageNetSubset]:
    """The data set, and lists of lines where a list is given."""

    def make(**settings: Any) -> ImageNetSubset:
        for name in ("train_list", "val_list", "test_list"):
            if not isinstance(settings.get(name, ""), str):
                path = tmp_path / f"{name}.txt"
                path.write_text("".join(f"{line}\n" for line in settings[name]))
                settings[name] = str(path)
        return ImageNetSubset(
            **{"root": str(root), "cache_dir": str(tmp_path / "cache"), "images_per_class": None, **settings}
        )

    return make


def files(source: ImageNetSubset) -> dict[str, list[str]]:
    return {name: list(source.listed.files[name]) for name in SPLITS}


def refusal(call: Callable[[], object]) -> str:
    """The one line that a mistake ends in."""
    with pytest.raises((ValueError, UserError)) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_few_images_are_within_more_images_in_both_parts(source: Callable[..., ImageNetSubset]) -> None:
    drawn = [files(source(images_per_class=n)) for n in (4, 8, 20)]
    for small, large in pairwise(drawn):
        assert {*small["train"]} < {*large["train"]}
        assert {*small["val"]} < {*large["val"]}
    assert [[len(part[name]) for name in SPLITS] for part in drawn] == [[9, 3, 12], [18, 6, 12], [48, 12, 12]]
    for part in drawn:
        for names in part.values():
            assert [3 * sum(f"/{name}/" in file for file in names) for name in CLASSES] == [len(names)] * 3


def test_the_same_in_whatever_order_the_file_system_lists_them(
    source: Callable[..., ImageNetSubset], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = source(images_per_class=8)
    photos(tmp_path / "again", [*TRAIN, *VAL][::-1])
    scandir = os.scandir
    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", lambda path: sorted(scandir(path), key=lambda entry: entry.name, reverse=True))
        found = source(root=str(tmp_path / "again"), images_per_class=8)
        assert found.listed == expected.listed
    assert found.fingerprint() == expected.fingerprint()


def test_val_is_for_testing_and_nothing_else(source: Callable[..., ImageNetSubset]) -> None:
    found = source(images_per_class=20).splits
    assert found["test"].ids.tolist() == sorted(VAL)
    learnt = [*found["train"].ids.tolist(), *found["val"].ids.tolist()]
    assert sorted(learnt) == sorted(TRAIN)
    for part in found.values():
        assert [CLASSES[target] for target in part.targets] == [name.split("/")[1] for name in part.ids.tolist()]


def test_the_seed_draws_other_images(source: Callable[..., ImageNetSubset]) -> None:
    one, two = (source(images_per_class=8, split_seed=seed) for seed in (0, 1))
    assert files(one)["train"] != files(two)["train"]
    assert files(one)["test"] == files(two)["test"]
    assert one.fingerprint() != two.fingerprint()


def below(folder: str, names: Iterable[str]) -> list[str]:
    return [name.removeprefix(f"{folder}/") for name in names]


def test_lists_say_what_is_learnt_validated_and_tested(source: Callable[..., ImageNetSubset]) -> None:
    found = source(
        train_list=below("train", TRAIN[::2]), val_list=below("train", TRAIN[1::4]), test_list=below("val", VAL[::3])
    )
    assert files(found) == {"train": sorted(TRAIN[::2]), "val": sorted(TRAIN[1::4]), "test": sorted(VAL[::3])}
    assert found.class_names == CLASSES
    assert found.facts()["lists"] == {
        name: {"sha256": sha256(Path(path).read_bytes()).hexdigest(), "known": None}
        for name, path in (("train", found.train_list), ("val", found.val_list), ("test", found.test_list))
        if path
    }
    assert len(found.facts()["lists"]) == 3


def test_a_training_list_alone_is_divided_and_tested_on_val(source: Callable[..., ImageNetSubset]) -> None:
    found = source(
        train_list=below("train", TRAIN[:40]), test_list=below("val", VAL[:5]), images_per_class=10, val_fraction=0.3
    )
    parts = files(found)
    assert [len(parts[name]) for name in SPLITS] == [14, 6, 5]
    assert {*parts["train"], *parts["val"]} < {*TRAIN[:40]}
    assert files(source(images_per_class=10))["test"] == sorted(VAL)


@pytest.mark.parametrize("shuffled", [False, True])
def test_labels_in_a_list_decide_the_order_of_the_classes(
    source: Callable[..., ImageNetSubset], shuffled: bool
) -> None:
    order = {"n01": 2, "n02": 0, "n03": 1}
    lines = [f"{name} {order[name.split('/')[0]]}" for name in below("train", TRAIN)]
    found = source(train_list=lines[:: -1 if shuffled else 1])
    assert found.class_names == ("n02", "n03", "n01")
    for split in found.splits.values():
        assert [order[name.split("/")[1]] for name in split.ids.tolist()] == split.targets.tolist()


def test_labels_of_the_test_list_count_where_the_training_images_are_drawn(
    source: Callable[..., ImageNetSubset],
) -> None:
    assert source(test_list=[f"{name} {3 - int(name[2])}" for name in below("val", VAL)]).class_names == CLASSES[::-1]


WRONG = {
    "a validation image to learn from": (
        {"train_list": ["n01/n01_0.JPEG", "n01/n01_1.JPEG"], "val_list": ["n01/n01_1.JPEG"]},
        "val_list and train_list share 1 images, for instance train/n01/n01_1.JPEG",
    ),
    "validation list alone": (
        {"val_list": "v.txt"},
        "val_list=v.txt needs train_list: a drawn training subset could contain its images",
    ),
    "class to validate only": (
        {"train_list": ["n01/n01_0.JPEG"], "val_list": ["n02/n02_1.JPEG"]},
        "root: the val split has 1 classes that the training split lacks, for instance n02",
    ),
    "class to test only, with a label": (
        {
            "train_list": ["n01/n01_0.JPEG 0", "n01/n01_2.JPEG 0", "n01/n01_4.JPEG 0"],
            "test_list": [f"{below('val', VAL)[4]} 1"],
        },
        "root: the test split has 1 classes that the training split lacks, for instance n02",
    ),
    "labels of two lists": (
        {"train_list": ["n01/n01_0.JPEG 0", "n02/n02_0.JPEG 1"], "val_list": ["n01/n01_1.JPEG 1"]},
        "val_list gives n01/n01_1.JPEG the label 1, another list 0",
    ),
    "labels with a gap": (
        {"train_list": ["n01/n01_0.JPEG 0", "n02/n02_0.JPEG 2"]},
        "train_list: 2 classes must have the labels 0 to 1, each once",
    ),
    "labels for some classes": (
        {"test_list": [f"{below('val', VAL)[0]} 0"]},
        "train_list gives no label to 2 classes, for instance n02, but other lists have labels",
    ),
    "too many": (
        {"images_per_class": 21},
        "images_per_class must be <= 20 (class n01 has no more), got 21; images_per_class=null takes all",
    ),
    "nothing to validate": (
        {"images_per_class": 2},
        "val_fraction leaves no val images in classes of this size",
    ),
    "nothing to learn": (
        {"images_per_class": 2, "val_fraction": 0.9},
        "val_fraction leaves no train images in classes of this size",
    ),
    "few": ({"images_per_class": 1}, "images_per_class must be a whole number >= 2, got 1"),
    "seed": ({"split_seed": -1}, "split_seed must be a whole number >= 0, got -1"),
    "fraction": ({"val_fraction": 1}, "val_fraction must be a number > 0 and < 1, got 1"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_drawn_is_one_line(source: Callable[..., ImageNetSubset], case: str) -> None:
    settings, line = WRONG[case]
    assert refusal(lambda: source(**settings).splits) == line


@pytest.mark.parametrize(
    "name", ["../val/n01/a.JPEG", "/etc/n01/a.JPEG", "n01/../../a.JPEG", "~/a.JPEG", "n01\\..\\a.JPEG"]
)
def test_a_list_may_not_leave_the_root(
    planned: Callable[..., RunDirectory], root: Path, tmp_path: Path, name: str
) -> None:
    path = tmp_path / "list.txt"
    path.write_text(f"n01/n01_0.JPEG\n{name}\n")
    where = (f"data.root={root}", f"data.cache_dir={tmp_path / 'cache'}", f"data.train_list={path}")
    line = refusal(lambda: planned("data=imagenet_subset", *where))
    assert line.startswith(f"{path}, line 2: {name!r} ")
    assert line.endswith("names are CLASS/FILE below data.root")


def test_listed_files_that_are_not_there_are_unreadable_not_forgotten(source: Callable[..., ImageNetSubset]) -> None:
    lines = [*below("train", TRAIN), "n01/none.JPEG"]
    line = refusal(lambda: source(train_list=lines, val_fraction=0.05).splits)
    assert line.startswith("1 of 73 images cannot be read, the first is ")
    assert "/imagenet/train/n01/none.JPEG (does not exist)" in line


def test_a_home_directory_is_understood_in_root_and_lists(
    source: Callable[..., ImageNetSubset], root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "l.txt").write_text("\n".join(below("train", TRAIN)))
    assert source(root=f"~/{root.name}", train_list="~/l.txt").fingerprint() == source(root=str(root)).fingerprint()


@pytest.mark.parametrize(
    ("missing", "line"),
    [
        ("", "data.root={root} is not a folder; name the one that holds a folder for each class, or train/ and test/"),
        ("train", "data.root={root} has val/ and no train/ that holds class folders (train/<class>/*.jpg)"),
        (
            "val/*",
            "data.root={root}: {root}/val has no class folders with images (val/<class>/*.jpg); it holds 1 images: "
            "data=image_table reads their classes from a table",
        ),
        ("train/n02", "data.root: the test split has 1 classes that the training split lacks, for instance n02"),
    ],
)
def test_a_missing_folder_is_named(
    planned: Callable[..., RunDirectory], tmp_path: Path, missing: str, line: str
) -> None:
    root = tmp_path / "imagenet"
    cut = missing.removesuffix("/*")
    photos(root, [] if not missing else [name for name in [*TRAIN, *VAL] if not name.startswith(f"{cut}/")])
    if missing == "val/*":
        photos(root, ["val/flat.jpg"])
    where = (f"data.root={root}", f"data.cache_dir={tmp_path / 'cache'}", "data.images_per_class=4")
    assert refusal(lambda: planned("data=imagenet_subset", *where)) == line.format(root=root)


def test_a_folder_that_may_not_be_listed_is_named(
    source: Callable[..., ImageNetSubset], root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scandir = os.scandir

    def refuse(path: object) -> object:
        if str(path).endswith("n01"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)  # pyright: ignore[reportArgumentType, reportCallIssue] - a path

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", refuse)
        assert refusal(lambda: source().listed) == f"root={root}: {root}/train/n01 cannot be listed: Permission denied"


def test_the_fingerprint_is_of_the_content_wherever_it_lies(
    source: Callable[..., ImageNetSubset], root: Path, tmp_path: Path
) -> None:
    before = source().fingerprint()
    moved = root.rename(tmp_path / "elsewhere")
    assert source(root=str(moved)).fingerprint() == before
    assert source(root=str(moved), cache_dir=str(tmp_path / "new cache")).fingerprint() == before


@pytest.mark.parametrize("name", [TRAIN[7], VAL[2]])
@pytest.mark.parametrize("same_size", [True, False])
def test_the_fingerprint_changes_with_one_image(
    source: Callable[..., ImageNetSubset], root: Path, tmp_path: Path, name: str, same_size: bool
) -> None:
    before, path = source().fingerprint(), root / name
    content, stat = path.read_bytes(), path.stat()
    changed = content[:15] + bytes([content[15] + 1]) + content[16:] if same_size else content + b"\0"
    path.write_bytes(changed)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    after = source().fingerprint()
    assert after != before
    assert source(cache_dir=str(tmp_path / "new cache")).fingerprint() == after


def test_classes_have_their_names_where_the_folder_brings_them(
    source: Callable[..., ImageNetSubset], root: Path
) -> None:
    wnids = source().class_names
    lines = [f"{wnids[0]} crane, a bird", f"{wnids[1]} crane", "n99999999 somebody else"]
    (root / "LOC_synset_mapping.txt").write_text("\n".join(lines) + "\n")
    named = source()
    assert named.class_names == (f"crane ({wnids[0]})", f"crane ({wnids[1]})", *wnids[2:])
    assert named.listed.targets == source().listed.targets
