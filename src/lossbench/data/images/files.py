"""Which files below a folder are images: one rule for all data sets of files, for lists and for predict. Torch-free."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from lossbench.data.images.subset import SUFFIXES
from lossbench.errors import some

# What macOS, Windows and storage systems leave beside data, copies and thumbnails of its images among it.
_SYSTEM = ("__macosx", "@eadir", "$recycle.bin", "system volume information", "lost+found")


def is_system_folder(name: str) -> bool:
    """Whether a folder of this name is hidden or a system's own, so that nothing in it is data."""
    return name.startswith(".") or name.lower() in _SYSTEM


def is_image(name: str) -> bool:
    """Whether a file of this name is data: its ending is an image's, and it is none of macOS's companion files."""
    return name.lower().endswith(SUFFIXES) and not name.startswith("._")


def never_data(name: str) -> bool:
    """Whether a path with / lies in a system's folder or is a companion file."""
    *folders, file = name.split("/")
    return any(map(is_system_folder, folders)) or file.startswith("._")


@dataclass(frozen=True)
class Found:
    """The images below a folder.

    Args:
        images: paths below the folder with /, sorted.
        lost: links that lead nowhere, or to a folder that has been read already: nothing behind them is read.
    """

    images: list[str]
    lost: list[str]


def find_images(folder: Path) -> Found:
    """Find the images of a folder and of the folders in it, links followed; each folder is read once.

    Raises:
        OSError: a folder may not be listed.
    """
    found, folders, links = Found([], []), [""], list[str]()
    seen = {_identity(parent) for start in (folder.absolute(), folder.resolve()) for parent in start.parents}
    while folders or links:
        inside = folders.pop() if folders else links.pop(0)  # links last: what they repeat has its own name by then
        if (identity := _identity(folder / inside)) in seen:
            found.lost.append(inside.rstrip("/"))
            continue
        seen.add(identity)
        for entry in os.scandir(folder / inside):
            _sort(entry, inside + entry.name, found, folders, links)
    return Found(sorted(found.images), sorted(found.lost))


def _sort(entry: "os.DirEntry[str]", name: str, found: Found, folders: list[str], links: list[str]) -> None:
    """Put an entry of a folder where it belongs."""
    if _is_folder(entry):
        if not is_system_folder(entry.name):
            (links if entry.is_symlink() else folders).append(f"{name}/")
    elif is_image(entry.name):
        found.images.append(name)
    elif _is_broken(entry):
        found.lost.append(name)


def _identity(folder: Path) -> tuple[int, int]:
    found = os.stat(folder)
    return found.st_dev, found.st_ino


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    """Whether it is a folder or leads to one; a link to itself is none (`is_dir` would raise an error)."""
    return os.path.isdir(entry.path) if entry.is_symlink() else entry.is_dir()


def _is_broken(entry: "os.DirEntry[str]") -> bool:
    return entry.is_symlink() and not entry.name.startswith(".") and not os.path.exists(entry.path)


@dataclass(frozen=True)
class ClassFolders:
    """The class folders of a folder.

    Args:
        images: class -> its images, as names below the root; classes in alphabetical order.
        left_out: what in the folder is not used, a clause each.
    """

    images: Mapping[str, Sequence[str]]
    left_out: list[str]

    @property
    def names(self) -> list[str]:
        """All images."""
        return [*chain.from_iterable(self.images.values())]


def no_folder(folder: Path, root: str | Path) -> str:
    """The message for a root that is no folder."""
    if folder.is_file():
        return (
            f"root={root} is a file: a table that names images is data=image_table data.path=FILE, another table "
            "data=table data.path=FILE data.target=COLUMN; an archive must be unpacked"
        )
    return f"root={root} is not a folder; name the one that holds a folder for each class, or train/ and test/"


def class_folders(root: Path, folder: str) -> ClassFolders:
    """Find the images of each folder in `root/folder`; an image of any depth belongs to the first folder on its way.

    Raises:
        ValueError: there is no such folder, it or one in it may not be listed, or it has no class folders with images.
    """
    base, prefix = root / folder, f"{folder}/" if folder else ""
    if not base.is_dir():
        raise ValueError(f"root={root} has no folder {folder}" if folder else no_folder(root, root))
    with listable(root):
        entries = sorted(os.scandir(base), key=lambda entry: entry.name)
        found = {f"{prefix}{name}": find_images(base / name) for name in _folders(entries)}
    images = {label.removeprefix(prefix): _below(label, one.images) for label, one in found.items() if one.images}
    if not images:
        what = f"has no class folders with images ({folder or '.'}/<class>/*.jpg){_loose(entries)}"
        raise ValueError(f"root={root}: {base} {what}")
    return ClassFolders(images, [*_left_out(found), *_left_out_beside(entries, prefix)])


def _loose(entries: Iterable["os.DirEntry[str]"]) -> str:
    loose = sum(is_image(entry.name) for entry in entries)
    return f"; it holds {loose:,} images: data=image_table reads their classes from a table" if loose else ""


@contextmanager
def listable(root: Path | str) -> Iterator[None]:
    """Name a folder that may not be listed.

    Raises:
        ValueError: one line, instead of an OSError.
    """
    try:
        yield
    except OSError as error:
        raise ValueError(f"root={root}: {error.filename} cannot be listed: {error.strerror}") from error


def _folders(entries: Iterable["os.DirEntry[str]"]) -> list[str]:
    """The names of the folders that may hold data."""
    return [entry.name for entry in entries if _is_folder(entry) and not is_system_folder(entry.name)]


def _below(folder: str, names: Iterable[str]) -> list[str]:
    return [f"{folder}/{name}".rstrip("/") for name in names]


def _left_out(found: Mapping[str, Found]) -> list[str]:
    """What is not used of class folders."""
    lost = [name for label, one in found.items() for name in _below(label, one.lost)]
    empty = [label for label, one in found.items() if not (one.images or one.lost)]
    return [*_clause("class folders without images", empty), *_clause("links that lead nowhere or back", lost)]


def _left_out_beside(entries: Sequence["os.DirEntry[str]"], prefix: str) -> list[str]:
    """What is not used beside class folders."""
    loose = [prefix + entry.name for entry in entries if is_image(entry.name) and not _is_folder(entry)]
    lost = [prefix + entry.name for entry in entries if _is_broken(entry) and not is_image(entry.name)]
    return [*_clause("images beside the class folders", loose), *_clause("class folders that are broken links", lost)]


def _clause(what: str, names: Sequence[str]) -> list[str]:
    return [f"{what}: {some(names)}"] if names else []


def folders_in(folder: Path) -> list[str]:
    """The names of the folders in a folder that may hold data, sorted."""
    return sorted(_folders(os.scandir(folder)))


def folders_beside(root: Path, *used: str) -> list[str]:
    """Say which folders of the root are not used, a clause each; hidden ones and a system's own do not count."""
    return [f"{name}/ is not used" for name in folders_in(root) if name not in used]


def loose_images(root: Path) -> list[str]:
    """Say which images lie in the root itself, in no folder."""
    loose = [entry.name for entry in os.scandir(root) if is_image(entry.name) and not _is_folder(entry)]
    return _clause("images beside the folders", sorted(loose))
