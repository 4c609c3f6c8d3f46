"""Files that are whole or absent: written beside, then renamed."""

import json
import os
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO
from uuid import uuid4

from lossbench.errors import UserError
from lossbench.rundir.plain_yaml import yaml_text

_later: list[bool] = []


@contextmanager
def synced_together() -> Generator[None]:
    """Sync what the block writes to the disk at its end, all files at once: one by one a thousand of them take seconds.

    Until then a power cut may lose them; what says that they are there (result.json) belongs behind the block.
    """
    _later.append(True)
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
    beside = path.with_name(f".{path.name}.{uuid4().hex[:8]}.tmp")
    try:
        with open(beside, "wb") as file:
            write(file)
            file.flush()
            if sync and not _later:
                os.fsync(file.fileno())
        if check is not None:
            check(beside)
        os.replace(beside, path)
    except BaseException as error:
        with suppress(OSError):  # what went wrong is said
            beside.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise cannot_write(path, error) from error
        raise


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


def write_text(path: Path, text: str) -> None:
    """Write a text whole or not at all; characters that UTF-8 does not have become "?"."""
    write_atomic(path, lambda file: file.write(text.encode(errors="replace")))


def write_json(path: Path, value: object) -> None:
    """Write a JSON file atomically; NaN and infinity are refused (they are not JSON)."""
    text = json.dumps(value, indent=2, allow_nan=False) + "\n"
    write_atomic(path, lambda file: file.write(text.encode()))


def write_yaml(path: Path, record: Mapping[str, Any]) -> None:
    """Write settings as plain YAML atomically, keys in the order given."""
    text = yaml_text(record)
    write_atomic(path, lambda file: file.write(text.encode()))
