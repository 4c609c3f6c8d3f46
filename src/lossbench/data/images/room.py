"""Memory for decoding large images, shared by all threads and processes of a user on a machine. Torch-free."""

import fcntl
import os
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from lossbench.errors import UserError
from lossbench.hardware import give_memory_back

PARTS, PART = 8, 2**27
"""The memory in parts of so many bytes: 1 GiB in all."""
BYTES_PER_PIXEL = 8
"""That decoding takes at its peak: Pillow's RGB is 4 bytes, the array 3."""
POLL_SECONDS = 0.01


@contextmanager
def room_for(pixels: int) -> Iterator[None]:
    """Wait until there is memory for an image, and hold it while the block decodes and resizes it.

    An image of less than one part (16,777,216 pixels) waits for nothing. A larger one holds as many parts as it fills;
    one that fills more than all of them is decoded while no other large one is. A part is a locked file, which the
    system unlocks when a process dies.

    Args:
        pixels: of the image.

    Raises:
        UserError: the lock files cannot be written.
    """
    needed = pixels * BYTES_PER_PIXEL
    if needed < PART:
        yield
        return
    wanted = min(PARTS, -(-needed // PART))
    folder = _folder()
    with ExitStack() as held:
        with _locked(folder / "queue"):  # one image collects at a time: two that hold a half each would never end
            _collect(folder, wanted, held)
        try:
            yield
        finally:
            give_memory_back()  # before the next image takes the room: each thread would keep some of its own


def _collect(folder: Path, wanted: int, held: ExitStack) -> None:
    free = [folder / f"part{k}" for k in range(PARTS)]
    while wanted:
        for path in free[:]:
            if wanted and _try_to_lock(path, held):
                free.remove(path)
                wanted -= 1
        if wanted:
            time.sleep(POLL_SECONDS)


def _try_to_lock(path: Path, held: ExitStack) -> bool:
    with ExitStack() as opened:
        try:
            opened.enter_context(_locked(path, fcntl.LOCK_NB))
        except BlockingIOError:
            return False
        held.push(opened.pop_all())
    return True


@contextmanager
def _locked(path: Path, flags: int = 0) -> Iterator[None]:
    """Lock a file while the block runs; opened anew each time, so that threads exclude each other too."""
    try:
        opened = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _cannot_lock(path, error) from error
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | flags)
        try:
            yield
        finally:
            fcntl.flock(opened, fcntl.LOCK_UN)  # a forked process may hold the file open still
    finally:
        os.close(opened)


def _folder() -> Path:
    """The user's own folder of lock files; nobody else may have made it."""
    path = Path(tempfile.gettempdir()) / f"lossbench-{os.getuid()}"
    try:
        path.mkdir(mode=0o700, exist_ok=True)
        found = path.lstat()
    except OSError as error:
        raise _cannot_lock(path, error) from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise _cannot_lock(path, FileExistsError(17, "it is not a folder of your own"))
    return path


def _cannot_lock(path: Path, error: OSError) -> UserError:
    return UserError(
        f"cannot write {path}: {error.strerror}; large images are decoded under locks there: set TMPDIR to a folder "
        "that can be written"
    )
