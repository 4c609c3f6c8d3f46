"""Small-data subsets of ImageNet, and of any folder laid out like it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from lossbench.data.images.files import class_folders, folders_beside
from lossbench.data.images.listing import Listing, check_classes, label
from lossbench.data.images.lists import FileList
from lossbench.data.images.random_split import RandomSplitSource
from lossbench.data.images.subset import by_class, class_of, first_of_each, hold_out_of_each, ranked
from lossbench.data.source import SPLITS

DEPTH = 1
"""Folders above the class folders: train or val."""
NAMES = "LOC_synset_mapping.txt"
"""ImageNet's file of class names, one line `n01440764 tench, Tinca tinca` for each class; used where it is."""


@dataclass(frozen=True, kw_only=True)
class ImageNetSubset(RandomSplitSource):
    """Few images of each class: train/<class>/* to learn and to choose from, val/<class>/* to test on.

    The folder val/ (for ImageNet the ILSVRC validation images) is the test split and nothing else; the validation
    split is held out of what is to learn from, or is a list of its own. Replicates keep the test split; they draw train
    and val anew from the subset, or from the lists of train and val together.

    Args:
        images_per_class: labelled images of each class of train/, the held-out ones included; 10 are within 20 within
            50; None takes all.
        split_seed: draws the subset, >= 0.
        val_fraction: share of each class's images held out for validation, in (0, 1).
        train_list: a text file of lines `class/file` or `class/file label` below train/, instead of drawing.
        val_list: the same for the validation split; then nothing is held out.
        test_list: the same below val/ for the test split; None tests on all of val/.

    Raises:
        ValueError: a setting is out of range, a folder, file or list is missing, or the lists overlap.
    """

    images_per_class: int | None = 50

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.val_list and not self.train_list:
            raise ValueError(
                f"val_list={self.val_list} needs train_list: a drawn training subset could contain its images"
            )

    def listing(self) -> Listing:
        """Draw or read the splits."""
        lists = self.lists()
        there, passed = self._images(lists.get("train"), "train")
        groups = first_of_each(
            {name: ranked(members, self.split_seed) for name, members in there.items()}, self.images_per_class
        )
        files: dict[str, Sequence[str]] = {}
        if "val" in lists:
            files |= {"train": [*chain.from_iterable(groups.values())], "val": _listed(lists["val"], "train")}
        else:
            files["train"], files["val"] = hold_out_of_each(groups.values(), self.val_fraction)
        tested, passed_too = self._images(lists.get("test"), "val")
        files["test"] = [*chain.from_iterable(tested.values())]
        classes = _classes(lists) or tuple(groups)
        _check(self.root, files, classes)
        files = {name: sorted(files[name]) for name in SPLITS}
        return Listing(
            readable(self.folder / NAMES, classes),
            files,
            label(files, classes, DEPTH),
            {"lists": {name: found.facts for name, found in lists.items()}},
            [
                *self.not_drawn(groups, there),
                *folders_beside(self.folder, "train", "val"),
                *passed,
                *passed_too,
            ],
        )

    def _images(self, found: FileList | None, folder: str) -> tuple[Mapping[str, Sequence[str]], list[str]]:
        """The images of a list, or of a folder of class folders, by class; and what is left out of the folder."""
        if found is not None:
            return by_class(_listed(found, folder), DEPTH), []
        found_folders = class_folders(self.folder, folder)
        return found_folders.images, found_folders.left_out


def readable(path: Path, classes: Sequence[str]) -> tuple[str, ...]:
    """Give classes the first name in a file of lines `class name, name, ...`; equal names get the class beside them."""
    if not path.is_file():
        return tuple(classes)
    lines = (line.partition(" ") for line in path.read_text(encoding="utf-8", errors="replace").splitlines())
    known = {wnid: rest.split(",")[0].strip() for wnid, _, rest in lines}
    names = [known.get(wnid) or wnid for wnid in classes]
    return tuple(
        name if names.count(name) == 1 else f"{name} ({wnid})" for wnid, name in zip(classes, names, strict=True)
    )


def _listed(found: FileList, folder: str) -> list[str]:
    return [f"{folder}/{name}" for name in found.names]


def _classes(lists: Mapping[str, FileList]) -> tuple[str, ...] | None:
    """The classes in the order that the lists' labels give them; None where they have none."""
    labels: dict[str, int] = {}
    for split, found in lists.items():
        for name, index in zip(found.names, [] if found.labels is None else found.labels.tolist(), strict=False):
            if labels.setdefault(name.split("/")[0], index) != index:
                raise ValueError(
                    f"{split}_list gives {name} the label {index}, another list {labels[name.split('/')[0]]}"
                )
    if labels and sorted(labels.values()) != list(range(len(labels))):
        raise ValueError(f"train_list: {len(labels)} classes must have the labels 0 to {len(labels) - 1}, each once")
    return tuple(sorted(labels, key=labels.__getitem__)) or None


def _check(root: str, files: Mapping[str, Sequence[str]], classes: Sequence[str]) -> None:
    for split in ("train", "val"):
        if not files[split]:
            raise ValueError(f"val_fraction leaves no {split} images; change it or raise images_per_class")
    if both := {*files["train"]} & {*files["val"]}:
        raise ValueError(
            f"val_list and train_list share {len(both)} images, for instance {min(both)}; a validation image must "
            "not be learnt"
        )
    check_classes(root, files, DEPTH)
    if lacking := {class_of(name, DEPTH) for name in files["train"]} - {*classes}:
        raise ValueError(
            f"train_list gives no label to {len(lacking)} classes, for instance {min(lacking)}, but other lists have "
            "labels"
        )
