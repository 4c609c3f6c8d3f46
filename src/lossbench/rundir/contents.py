"""What lies in a run directory: files and folders, and no link that leads out of it."""

import os
import stat
from pathlib import Path

from lossbench.rundir.reading import DamagedError


def check_contents(run: Path) -> None:
    """Refuse links that lead out of a run directory, pipes and devices: a run writes through what it finds.

    Raises:
        DamagedError: names the first one.
    """
    root = os.path.realpath(run)
    for folder, folders, files in os.walk(run):
        for name in (*folders, *files):
            _check_entry(Path(folder, name), root)


def _check_entry(path: Path, root: str) -> None:
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
