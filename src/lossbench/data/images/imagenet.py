"""Small-data subsets of ImageNet, and of any folder laid out like it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lossbench.data.images.files import ClassFolders, class_folders, folders_beside
from lossbench.data.images.given import Given
from lossbench.data.images.layout import read_layout
from lossbench.data.images.lists import FileList
from lossbench.data.images.random_split import RandomSplitSource
from lossbench.data.images.subset import by_class

DEPTH = 1
"""Folders above the class folders: train or val."""
NAMES = "LOC_synset_mapping.txt"
"""ImageNet's file of class names, one line `n01440764 tench, Tinca tinca` for each class; used where it is."""
PER_CLASS = 50
"""The default of images_per_class."""
HELD_OUT = 0.2
"""Of each class, for testing, where nothing else is for testing."""


@dataclass(frozen=True, kw_only=True)
class ImageNetSubset(RandomSplitSource):
    """Few images of each class: train/<class>/* to learn and to choose from, val/<class>/* to test on.

    The folder val/ (for ImageNet the ILSVRC validation images) is the test split and nothing else; the validation
    split is held out of what is to learn from, or is a list of its own. Where there is a folder test/ with classes too,
    val/ is the validation split and test/ the test split; of class folders alone a fifth of each is the test split.
    Replicates keep the test split; they draw train and val anew from the subset, or from the lists of train and val
    together.

    Args:
        images_per_class: labelled images of each class of train/, the held-out ones included; 10 are within 20 within
            50; None takes all. Classes that have fewer than the default, 50, give all they have.
        split_seed: draws the subset, >= 0.
        val_fraction: share of each class's images held out for validation, in (0, 1).
        train_list: a text file of lines `class/file` or `class/file label` below train/, instead of drawing.
        val_list: the same for the validation split; then nothing is held out.
        test_list: the same below val/ for the test split; None tests on all of val/.

    Raises:
        ValueError: a setting is out of range, a folder, file or list is missing, or the lists overlap.
    """

    images_per_class: int | None = PER_CLASS

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.val_list and not self.train_list:
            raise ValueError(
                f"val_list={self.val_list} needs train_list: a drawn training subset could contain its images"
            )

    @property
    def test_share(self) -> float:
        """A fifth."""
        return HELD_OUT

    @property
    def may_be_short(self) -> bool:
        """Where the number is the default, which nobody has chosen for these data."""
        return self.images_per_class == PER_CLASS

    def names_of(self, classes: tuple[str, ...]) -> tuple[str, ...]:
        """ImageNet's names where the folder brings them."""
        return readable(self.folder / NAMES, classes)

    def given(self) -> Given:
        """Read the lists, or the folders: val is what is tested, unless there is a test folder too."""
        if lists := self.lists():
            return self._listed(lists)
        found = replace(read_layout(self.folder, self.root), facts={"lists": {}})
        if "test" in found.images or "val" not in found.images:
            return found
        images, places = ({"train": by["train"], "test": by["val"]} for by in (found.images, found.places))
        return replace(found, images=images, places=places)

    def _listed(self, lists: Mapping[str, FileList]) -> Given:
        """Take the parts from lists, and from train/ and val/ where there is no list."""
        folders = {"train": "train", "val": "train", "test": "val"}
        images: dict[str, Mapping[str, Sequence[str]]] = {}
        left_out, places = folders_beside(self.folder, "train", "val"), dict[str, str]()
        for part in ("train", "test", *(["val"] if "val" in lists else [])):
            if part in lists:
                names = [f"{folders[part]}/{name}" for name in lists[part].names]
                images[part], places[part] = by_class(names, DEPTH), f"{part}_list"
            else:
                found: ClassFolders = class_folders(self.folder, folders[part])
                images[part], places[part] = found.images, f"{folders[part]}/"
                left_out += found.left_out
        classes = _classes(lists)
        if classes and (lacking := {*images["train"]} - {*classes}):
            raise ValueError(
                f"train_list gives no label to {len(lacking)} classes, for instance {min(lacking)}, but other lists "
                "have labels"
            )
        facts = {"lists": {name: found.facts for name, found in lists.items()}}
        given = Given(images, places, classes, facts, left_out)
        given.require_apart()
        return given


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
