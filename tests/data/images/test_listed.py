"""Lists of files: where the class stands in a name, which parts are held out, what is refused."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest
from odd_files import photos

from lossbench.data.images.folder import ImageFolder
from lossbench.data.images.listed import class_depth
from lossbench.data.source import SPLITS, replicated

CLASSES = ("ant", "bee")
NAMES = {split: [f"{label}/{split}{i}.jpg" for label in CLASSES for i in range(5)] for split in SPLITS}
PREFIXES: Mapping[str, tuple[str, str, str]] = {
    "class folders": ("", "", ""),
    "one folder above": ("images/", "images/", "images/"),
    "folders of the parts": ("train/", "val/", "test/"),
    "deep": ("data/jpg/train/", "data/jpg/val/", "data/jpg/test/"),
    "test apart": ("", "", "test/"),
}


@pytest.fixture
def listed(tmp_path: Path) -> Callable[..., ImageFolder]:
    """The data set of some lists, all of whose images are there."""

    def make(lists: Mapping[str, Sequence[str]], *others: str, **given: object) -> ImageFolder:
        photos(tmp_path / "photos", [line.split(" ")[0] for lines in lists.values() for line in lines] + [*others])
        paths = {f"{split}_list": tmp_path / f"{split}.txt" for split in lists}
        for (name, path), lines in zip(paths.items(), lists.values(), strict=True):
            path.write_text("\n".join(lines))
            given[name] = str(path)
        cache = str(tmp_path / "cache")
        return ImageFolder(root=str(tmp_path / "photos"), cache_dir=cache, **given)  # pyright: ignore[reportArgumentType]

    return make


@pytest.mark.parametrize("case", PREFIXES)
def test_the_class_is_the_first_folder_in_which_names_differ(listed: Callable[..., ImageFolder], case: str) -> None:
    lists = {
        split: [prefix + name for name in NAMES[split]] for split, prefix in zip(SPLITS, PREFIXES[case], strict=True)
    }
    source = listed(lists)
    assert source.class_names == CLASSES
    for split, lines in lists.items():
        assert source.splits[split].ids.tolist() == sorted(lines)
        labels = [CLASSES[target] for target in source.splits[split].targets]
        assert labels == ["ant" if "ant/" in name else "bee" for name in source.splits[split].ids.tolist()]
    assert source.about()[1:] == ["train_list is train, val_list is val, test_list is test"]


def test_one_class_in_another_list_is_still_its_folder(listed: Callable[..., ImageFolder]) -> None:
    source = listed({"train": [f"x/{name}" for name in NAMES["train"]], "test": ["x/bee/9.jpg"]})
    assert source.splits["test"].targets.tolist() == [1]


def test_where_names_differ() -> None:
    assert class_depth(["a/1.jpg", "b/c/1.jpg"]) == 0
    assert class_depth(["x/train/a/1.jpg", "x/val/b/1.jpg"]) == 2
    assert class_depth(["x/1.jpg", "x/2.jpg"]) is None
    assert class_depth(["a/1.jpg", "2.jpg"]) is None


def test_labels_are_the_classes_of_files_in_one_folder(listed: Callable[..., ImageFolder]) -> None:
    lines = {split: [f"jpg/{split}{i}.jpg {(2, 10)[i % 2]}" for i in range(6)] for split in SPLITS}
    source = listed(lines)
    assert source.class_names == ("2", "10")
    assert source.splits["train"].targets.tolist() == [0, 1] * 3


def test_parts_without_a_list_are_held_out_and_what_no_list_names_is_counted(
    listed: Callable[..., ImageFolder],
) -> None:
    source = listed({"train": NAMES["train"]}, "ant/other.jpg", "bee/other.jpg")
    assert {split: len(part) for split, part in source.splits.items()} == {"train": 6, "val": 2, "test": 2}
    assert source.left_out() == ["2 of 12 images are in no list"]
    assert source.about()[1] == (
        "train_list is train, 0.2 of each class of train_list is test (data.test_fraction), 0.2 of the rest is val "
        "(data.val_fraction)"
    )
    tested = [name for r in range(5) for name in replicated(source, r).splits["test"].ids.tolist()]
    assert sorted(tested) == sorted(NAMES["train"])
    kept = listed({"train": NAMES["train"], "test": NAMES["test"]})
    assert {split: len(part) for split, part in kept.splits.items()} == {"train": 8, "val": 2, "test": 10}
    assert replicated(kept, 1).splits["test"].ids.tolist() == sorted(NAMES["test"])


WRONG: Mapping[str, tuple[Mapping[str, Sequence[str]], str]] = {
    "no class": (
        {"train": ["jpg/1.jpg", "jpg/2.jpg"]},
        "train_list gives no classes: the images of train_list differ in no folder, such as 'jpg/1.jpg'; write "
        "CLASS/FILE or FILE LABEL, with a whole number as LABEL",
    ),
    "no class in another list": (
        {"train": [f"x/{name}" for name in NAMES["train"]], "test": ["x/9.jpg"]},
        "test_list: 'x/9.jpg' has no class folder where the images of train_list have one",
    ),
    "labels against folders": (
        {"train": ["ant/1.jpg 0", "bee/1.jpg 1", "bee/2.jpg 0"]},
        "train_list: bee/2.jpg has the label 0, but class folder bee has 1 and label 0 is of ant; make them agree, or "
        "leave the labels out (for classes that are no folders, data=image_table takes a table)",
    ),
    "another class to test on": (
        {"train": NAMES["train"], "val": NAMES["val"], "test": ["cat/1.jpg"]},
        "root: the test split has 1 classes that the training split lacks, for instance cat",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_with_lists_is_one_line(listed: Callable[..., ImageFolder], case: str) -> None:
    lists, line = WRONG[case]
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - compared whole
        _ = listed(lists).splits
    assert str(caught.value) == line


def test_names_that_start_from_elsewhere_are_named(listed: Callable[..., ImageFolder], tmp_path: Path) -> None:
    lists = {"train": [f"photos/{name}" for name in NAMES["train"]]}
    photos(tmp_path / "photos", ["ant/1.jpg"])
    (tmp_path / "l.txt").write_text("\n".join(lists["train"]))
    with pytest.raises(
        ValueError, match=r"^train_list: none of .* is in root=.*, such as 'photos/ant/train0\.jpg'; the"
    ):
        _ = ImageFolder(root=str(tmp_path / "photos"), train_list=str(tmp_path / "l.txt")).splits


def test_a_test_folder_that_no_list_names_is_not_passed_over(listed: Callable[..., ImageFolder]) -> None:
    with pytest.raises(ValueError, match=r"^train_list needs test_list too: root=.* has test/, and no list names its"):
        _ = listed({"train": [f"train/{name}" for name in NAMES["train"]]}, "test/ant/1.jpg").splits
