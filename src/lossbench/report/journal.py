"""journal.jsonl of a study: what was planned, and every look at its runs, one line each, never changed afterwards.

Each line holds the hash of the line before, so that a line that was edited or taken out is noticed. A report keeps the
hash of the last line that it saw, so that a journal that was deleted or cut is noticed too.
"""

import fcntl
import json
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO, cast

from lossbench.errors import UserError
from lossbench.rundir.files import cannot_write, write_json
from lossbench.rundir.reading import DamagedError, check_plain, read_bytes, read_json, why

NAME = "journal.jsonl"
HEAD = "journal.json"  # in the folder of a report: the last line that it saw
START = ""  # the hash before the first line
WAY_OUT = "move it away, and every comparison counts as new"


@dataclass(frozen=True)
class Journal:
    """What a journal says.

    Args:
        path: journal.jsonl.
        entries: its lines, the first one first; what is no line of a journal is left out.
        head: the hash of the last line.
        doubts: why it may not be all that was written, a clause each.
    """

    path: Path
    entries: Sequence[Mapping[str, Any]]
    head: str
    doubts: Sequence[str]


def read_journal(study: Path) -> Journal:
    """Read the journal of a study; one that is not there yet is empty.

    Raises:
        UserError: it cannot be read.
    """
    path = study / NAME
    lines = _lines(_content(path))
    hashes = [START, *map(_hash, lines)]
    entries = [_entry(line) for line in lines]
    doubts = [*_broken(path, entries, hashes), *_unknown_heads(study, path, set(hashes))]
    return Journal(path, [entry for entry in entries if entry is not None], hashes[-1], doubts)


def append(study: Path, entry: Mapping[str, Any]) -> str:
    """Add a line to the journal of a study; of two processes one waits for the other.

    Args:
        study: its folder, which exists.
        entry: plain values.

    Returns:
        The hash of the new line.

    Raises:
        UserError: the journal cannot be written.
    """
    path = study / NAME
    try:
        with _opened(path) as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # until it is closed
            file.seek(0)
            content = file.read()
            lines = _lines(content)
            whole = {
                **entry,
                "time": datetime.now(UTC).isoformat(timespec="seconds"),
                "previous": _hash(lines[-1]) if lines else START,
            }
            line = json.dumps(whole, sort_keys=True, separators=(",", ":")).encode()
            file.write(b"\n" * (content[-1:] not in (b"", b"\n")) + line + b"\n")  # behind a line cut short
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise cannot_write(path, error) from error
    return _hash(line)


def write_head(folder: Path, head: str) -> None:
    """Keep in a report's folder the last line of the journal that it was made from."""
    write_json(folder / HEAD, {"journal": head})


def _content(path: Path) -> bytes:
    if not os.path.lexists(path):
        return b""
    try:
        return read_bytes(path)
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read ({why(error)}); {WAY_OUT}") from error


def _opened(path: Path) -> BinaryIO:
    """Open the journal for reading and appending; a link or a pipe in its place is refused."""
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    handle = os.open(path, flags, 0o666)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(f"{path} is not a file")
    return cast(BinaryIO, os.fdopen(handle, "r+b"))


def _lines(content: bytes) -> list[bytes]:
    return [line for line in content.split(b"\n") if line]


def _hash(line: bytes) -> str:
    return sha256(line).hexdigest()


def _entry(line: bytes) -> dict[str, Any] | None:
    """A line's object; None where it is none."""
    try:
        value = json.loads(line)
        check_plain(value)
    except (ValueError, RecursionError):
        return None
    return cast(dict[str, Any], value) if isinstance(value, dict) else None


def _broken(path: Path, entries: Sequence[Mapping[str, Any] | None], hashes: Sequence[str]) -> Iterator[str]:
    for number, entry in enumerate(entries, 1):
        if entry is None:
            yield f"line {number} of {path} is damaged"
        elif entry.get("previous") != hashes[number - 1]:
            yield f"line {number} of {path} does not follow from the line before, which was edited or taken out"


def _unknown_heads(study: Path, path: Path, hashes: set[str]) -> Iterator[str]:
    unknown: list[Path] = []
    for place in sorted(study.glob(f"reports/**/{HEAD}")):
        try:
            head = read_json(place).get("journal")
        except DamagedError as error:
            yield str(error)
            continue
        if head not in hashes:
            unknown.append(place.parent)
    if len(unknown) == 1:
        yield f"{path} lacks a line that {unknown[0]} was made from: it was deleted, cut or edited"
    elif unknown:
        which = f"{len(unknown)} reports were made from, {unknown[0]} among them"
        yield f"{path} lacks lines that {which}: it was deleted, cut or edited"
