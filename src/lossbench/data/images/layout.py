"""How the images of a folder are laid out: class folders, or such folders for train, val and test. Torch-free."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from lossbench.data.images.files import (
    class_folders,
    find_images,
    folders_beside,
    folders_in,
    listable,
    loose_images,
    no_folder,
)
from lossbench.data.images.given import Given
from lossbench.data.split import SPLITS
from lossbench.errors import some

WORDS: Mapping[str, Sequence[str]] = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing"),
}
"""What the folder of a part may be called, in any case."""


def read_layout(folder: Path, root: str) -> Given:
    """Read class folders, or those of a train folder and of the val and test folders beside it.

    A test folder without class folders, such as one of images that have no labels, is not used.

    Args:
        folder: the data set's.
        root: the same as the user has given it.

    Raises:
        ValueError: there are no class folders, or it is open which folders are meant.
    """
    if not folder.is_dir():
        raise ValueError(no_folder(folder, root))
    with listable(root):
        parts = part_folders(folder, root)
        return _of_parts(folder, parts) if "train" in parts else _of_classes(folder, root)


def part_of(name: str) -> str | None:
    """Which part a folder of this name could be."""
    return next((part for part, words in WORDS.items() if name.lower() in words), None)


def has_class_folders(folder: Path) -> bool:
    """Whether a folder in it holds images."""
    return any(find_images(folder / name).images for name in folders_in(folder))


def part_folders(folder: Path, root: str) -> dict[str, str]:
    """Find the folders that hold train, val and test, each with class folders in it: part -> name.

    Raises:
        ValueError: two folders could be the same part, or val holds images and no class folders.
    """
    found: dict[str, str] = {}
    for part in SPLITS:
        named = [name for name in folders_in(folder) if part_of(name) == part]
        if whole := [name for name in named if has_class_folders(folder / name)]:
            found[part] = _only(whole, part, root)
        elif part == "val" and "train" in found:
            _require_empty(folder, named)
    return found


def _only(names: Sequence[str], part: str, root: str) -> str:
    if len(names) > 1:
        raise ValueError(
            f"root={root} has {some(f'{name}/' for name in names)}, and each could be the {part} images; keep one, and "
            "give the other another name"
        )
    return names[0]


def _require_empty(folder: Path, names: Sequence[str]) -> None:
    """Refuse a val folder that has images but no class folders: to use another part for it could go unnoticed."""
    for name in names:
        if find_images(folder / name).images:
            class_folders(folder, name)  # raises the error that says what is expected there


def _of_parts(folder: Path, parts: Mapping[str, str]) -> Given:
    found = {part: class_folders(folder, name) for part, name in parts.items()}
    left_out = [*folders_beside(folder, *parts.values()), *loose_images(folder)]
    for one in found.values():
        left_out += one.left_out
    images = {part: one.images for part, one in found.items()}
    places = {part: f"{name}/" for part, name in parts.items()}
    return Given(images, places, left_out=left_out, notes=_nested(found["train"].images, places["train"]))


def _of_classes(folder: Path, root: str) -> Given:
    found = class_folders(folder, "")
    named = [label for label in found.images if part_of(label)]
    _require_no_parts(named, [*found.images], folder, root)
    notes = [f"{label}/ is one of the classes, because no train/ holds class folders" for label in named]
    return Given({"train": found.images}, left_out=found.left_out, notes=[*notes, *_nested(found.images, "")])


def _nested(images: Mapping[str, Sequence[str]], prefix: str) -> list[str]:
    """Say so where all classes hold several folders of images: perhaps these were meant as the classes."""
    inner: dict[str, list[str]] = {}
    for label, names in images.items():
        below = [name.removeprefix(f"{prefix}{label}/") for name in names]
        inner[label] = sorted({name.split("/")[0] for name in below if "/" in name})
    if not all(len(folders) > 1 for folders in inner.values()):
        return []
    label = min(inner)
    return [f"folders in a class folder belong to the class: {label} has {some(inner[label])}"]


def _require_no_parts(named: Sequence[str], classes: Sequence[str], folder: Path, root: str) -> None:
    """Require that class folders called like parts are none: that there are others, which they do not hold."""
    if len(named) == len(classes):
        raise ValueError(
            f"root={root} has {some(f'{name}/' for name in named)} and no train/ that holds class folders "
            "(train/<class>/*.jpg)"
        )
    for name in named:
        if both := {*folders_in(folder / name)} & {*classes}:
            raise ValueError(
                f"root={root} has the class {min(both)} beside {name}/ and in it: put the class folders beside it into "
                f"a folder train/, or {name}/ elsewhere"
            )
