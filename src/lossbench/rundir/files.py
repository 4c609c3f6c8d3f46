"""Files that are whole or absent: written beside, then renamed."""

import errno
import json
import os
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from lossbench.errors import UserError
from lossbench.rundir.plain_yaml import yaml_text

if TYPE_CHECKING:
    from typing_extensions import Buffer

_later: list[dict[bytes, str]] = []
"""Of each open block of `synced_together` the files that are alike: content -> the first one."""


@contextmanager
def synced_together() -> Generator[None]:
    """Sync what the block writes to the disk at its end, all files at once: one by one a thousand of them take seconds.

    Until then a power cut may lose them; what says that they are there (result.json) belongs behind the block.
    """
    _later.append({})
    try:
        yield
    finally:
        _later.pop()
        os.sync()


def write_atomic(
    path: Path,
    write: Callable[[BinaryIO], object],
    check: Callable[[Path], object] | None = None,
    *,
    sync: bool = True,
) -> None:
    """Write a file so that a reader sees the old one or the new one, never a part.

    Args:
        path: the file to replace or create; its folder exists.
        write: gets the open binary file.
        check: gets the finished temporary file and raises if it is not good; the old file then stays.
        sync: whether it must survive a power cut.

    Raises:
        UserError: the disk is full or the folder cannot be written; nothing is left behind.
    """

    def put(beside: str) -> None:
        with open(beside, "xb") as file:
            write(file)
            file.flush()
            if sync and not _later:
                os.fsync(file.fileno())
        if check is not None:
            check(Path(beside))

    _put(path, put)


def cannot_write(path: Path, error: OSError) -> UserError:
    """Say why a path cannot be written and what to do about it."""
    return UserError(
        f"cannot write {path}: {error.strerror or error}; "
        "free some space or choose another place with runs_dir=PATH or LOSSBENCH_RUNS"
    )


def make_folder(folder: Path) -> None:
    """Make a folder and those above it.

    Raises:
        UserError: that is not possible.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(folder, error) from error


def write_bytes(path: Path, content: "Buffer", *, sync: bool = True) -> None:
    """Write a file whole or not at all, as `write_atomic`, with as few system calls as that takes.

    Raises:
        UserError: the disk is full or the folder cannot be written; nothing is left behind.
    """

    def write(beside: str) -> None:
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        try:
            _write_all(handle, content)
            if sync and not _later:
                os.fsync(handle)
        finally:
            os.close(handle)

    _put(path, write)


def write_alike(path: Path, content: bytes) -> None:
    """Write a file that is never written in place, as `write_bytes`.

    In a block of `synced_together` files of the same content are one file with several names: to replace a file of its
    own takes a disk milliseconds, because its blocks are freed.

    Raises:
        UserError: as `write_bytes`.
    """
    first = _later[-1].get(content) if _later else None
    if first is not None:
        with suppress(OSError, UserError):  # no hard links there, or too many of them: a file of its own
            _put(path, lambda beside: _link(first, beside, content), linked=True)
            return
    write_bytes(path, content)
    if _later:
        _later[-1][content] = str(path)


def _link(first: str, beside: str, content: bytes) -> None:
    """Give a file another name.

    Raises:
        OSError: that is not possible, or the file has been replaced by one of other content since.
    """
    os.link(first, beside)
    with open(beside, "rb", buffering=0) as file:
        if file.read() != content:
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))


def _put(path: Path, write: Callable[[str], None], *, linked: bool = False) -> None:
    """Put what is written beside a file in its place."""
    name = str(path)
    folder, slash, last = name.rpartition("/")
    beside = f"{folder}{slash}.{last}.{os.urandom(4).hex()}.tmp"
    try:
        write(beside)
        os.replace(beside, name)
        if linked:  # both stay where they are names of the same file already
            with suppress(FileNotFoundError):
                os.unlink(beside)
    except BaseException as error:
        with suppress(OSError):  # what went wrong is said
            os.unlink(beside)
        if isinstance(error, OSError):
            raise cannot_write(path, error) from error
        raise


def _write_all(handle: int, content: "Buffer") -> None:
    left = memoryview(content)
    while len(left):
        left = left[os.write(handle, left) :]


def write_text(path: Path, text: str) -> None:
    """Write a text whole or not at all; characters that UTF-8 does not have become "?"."""
    write_bytes(path, text.encode(errors="replace"))


def write_json(path: Path, value: object) -> None:
    """Write a JSON file atomically; NaN and infinity are refused (they are not JSON)."""
    write_bytes(path, json_bytes(value))


def json_bytes(value: object) -> bytes:
    """The content of a JSON file; NaN and infinity are refused (they are not JSON)."""
    return (json.dumps(value, indent=2, allow_nan=False) + "\n").encode()


def write_yaml(path: Path, record: Mapping[str, Any]) -> None:
    """Write settings as plain YAML atomically, keys in the order given."""
    write_bytes(path, yaml_text(record).encode())
