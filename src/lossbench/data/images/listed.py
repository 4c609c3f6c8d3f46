"""Which images lists name for train, val and test, and of which class each is. Torch-free."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path

from lossbench.data.images.files import find_images, folders_in, listable, no_folder
from lossbench.data.images.given import Given
from lossbench.data.images.layout import has_class_folders, part_of
from lossbench.data.images.lists import FileList

LOOKED_FOR = 100
"""The first images of a list, of which one must be there."""


def read_given(lists: Mapping[str, FileList], folder: Path, root: str) -> Given:
    """Take the parts from lists; the class is the first folder in which the training images differ, or the label.

    Args:
        lists: part -> list; train is there.
        folder: the data set's.
        root: the same as the user has given it.

    Raises:
        ValueError: a list names no image that is there, classes or parts are open, or lists overlap.
    """
    if not folder.is_dir():
        raise ValueError(no_folder(folder, root))
    _require_there(lists, folder, root)
    with listable(root):
        _require_all_parts(lists, folder, root)
        left_out = _unlisted(lists, folder)
    depth = class_depth(lists["train"].names)
    groups = _by_label(lists) if depth is None else _by_folder(lists, depth)
    labels = {*chain.from_iterable(groups.values())}
    given = Given(
        groups,
        {part: f"{part}_list" for part in lists},
        tuple(sorted(labels, key=int)) if depth is None else None,
        {"lists": {part: found.facts for part, found in lists.items()}},
        left_out,
    )
    given.require_apart()
    return given


def class_depth(names: Iterable[str]) -> int | None:
    """How many folders stand before the first one in which names differ; those called train, val, ... do not count.

    Returns:
        None where names differ in no folder.
    """
    folders = [name.split("/")[:-1] for name in names]
    for depth in range(min(map(len, folders))):
        values = {path[depth] for path in folders}
        if len(values) > 1 and not all(map(part_of, values)):
            return depth
    return None


def _by_folder(lists: Mapping[str, FileList], depth: int) -> dict[str, dict[str, list[str]]]:
    """Group the images of each list by class folder."""
    classes = {name.split("/")[depth] for name in lists["train"].names}
    groups = dict[str, dict[str, list[str]]]()
    for part, found in lists.items():
        where = _depth_of(part, found.names, classes, depth)
        labels = [name.split("/")[where] for name in found.names]
        _require_one_to_one(part, found, labels)
        groups[part] = _grouped(found.names, labels)
    return groups


def _depth_of(part: str, names: Sequence[str], classes: set[str], usual: int) -> int:
    """How many folders stand before the class folder in the names of a list: as a rule as many as in train_list."""
    folders = [name.split("/")[:-1] for name in names]
    shallow = min(range(len(names)), key=lambda k: len(folders[k]))
    for depth in range(len(folders[shallow])):
        if all(path[depth] in classes for path in folders):
            return depth
    if len(folders[shallow]) <= usual:
        raise ValueError(f"{part}_list: {names[shallow]!r} has no class folder where the images of train_list have one")
    return usual


def _by_label(lists: Mapping[str, FileList]) -> dict[str, dict[str, list[str]]]:
    """Group the images of each list by label."""
    groups = dict[str, dict[str, list[str]]]()
    for part, found in lists.items():
        if found.labels is None:
            raise ValueError(
                f"{part}_list gives no classes: the images of train_list differ in no folder, such as "
                f"{lists['train'].names[0]!r}; write CLASS/FILE or FILE LABEL, with a whole number as LABEL"
            )
        groups[part] = _grouped(found.names, map(str, found.labels.tolist()))
    return groups


def _grouped(names: Iterable[str], labels: Iterable[str]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for name, label in zip(names, labels, strict=True):
        groups.setdefault(label, []).append(name)
    return groups


def _require_one_to_one(part: str, found: FileList, folders: Sequence[str]) -> None:
    """Require that a class folder has one label, and a label one class folder, where the list has labels."""
    if found.labels is None:
        return
    of_folder, of_label = dict[str, int](), dict[int, str]()
    for name, folder, label in zip(found.names, folders, found.labels.tolist(), strict=True):
        known = of_folder.setdefault(folder, label), of_label.setdefault(label, folder)
        if known != (label, folder):
            raise ValueError(
                f"{part}_list: {name} has the label {label}, but class folder {folder} has {known[0]} and label "
                f"{label} is of {known[1]}; make them agree, or leave the labels out (for classes that are no folders, "
                "data=image_table takes a table)"
            )


def _require_there(lists: Mapping[str, FileList], folder: Path, root: str) -> None:
    """Require that a list starts from the root: that one of its first images is there."""
    for part, found in lists.items():
        if not any((folder / name).exists() for name in found.names[:LOOKED_FOR]):
            raise ValueError(
                f"{part}_list: none of the images looked for is in root={root}, such as {found.names[0]!r}; the names "
                "in a list start from data.root"
            )


def _require_all_parts(lists: Mapping[str, FileList], folder: Path, root: str) -> None:
    """Refuse to hold a part out of train where a folder of that name lies unused in the root."""
    used = {name.split("/")[0] for found in lists.values() for name in found.names}
    for name in folders_in(folder):
        part = part_of(name)
        if part and part not in lists and name not in used and has_class_folders(folder / name):
            raise ValueError(f"train_list needs {part}_list too: root={root} has {name}/, and no list names its images")


def _unlisted(lists: Mapping[str, FileList], folder: Path) -> list[str]:
    """Say how many images are in no list."""
    there = find_images(folder).images
    unlisted = len({*there} - {*chain.from_iterable(found.names for found in lists.values())})
    return [f"{unlisted:,} of {len(there):,} images are in no list"] if unlisted else []
