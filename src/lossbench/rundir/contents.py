"""What lies in a study and its run directories: files and folders, and no link that leads out of them."""

import os
import stat
from pathlib import Path

from lossbench.errors import UserError
from lossbench.rundir.reading import DamagedError


def check_places(*paths: Path) -> None:
    """Refuse links that lead out of the folder they lie in; that folder itself may be reached by a link.

    Args:
        paths: what a run writes to: its study, its folders, files beside them.

    Raises:
        UserError: names the first one.
    """
    for path in paths:
        if path.is_symlink() and not is_inside(path, path.parent):
            raise UserError(f"{path} is a link that leads out of {path.parent}; put what it leads to in its place")


def check_contents(run: Path) -> None:
    """Refuse links that lead out of a run directory, pipes and devices: a run writes through what it finds.

    Raises:
        UserError: the directory, or the folder of its seeds, is itself such a link.
        DamagedError: names the first one in it.
    """
    check_folders(run)
    for folder, folders, files in os.walk(run):
        for name in (*folders, *files):
            _check_entry(Path(folder, name), run)


def check_folders(run: Path) -> None:
    """Refuse a run directory that is a link out of the folder of its seeds, and such a folder out of its study.

    Raises:
        UserError: names the link.
    """
    place = Path(os.path.abspath(run))
    check_places(place.parent, place)


def _check_entry(path: Path, root: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:  # a process that works on the run has removed it
        return
    if stat.S_ISLNK(mode) and not is_inside(path, root):
        raise DamagedError(path, "is a link that leads out of its run directory")
    if not (stat.S_ISLNK(mode) or stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise DamagedError(path, "is neither a file nor a folder")


def is_inside(path: Path, root: str | Path) -> bool:
    """Whether a path leads into a folder, whatever links it follows."""
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(root))
