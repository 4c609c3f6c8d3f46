"""Which files of a data set can be read, and what is in them; every file is read once and remembered. Torch-free."""

import logging
import os
import stat
from collections.abc import Generator, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path

import numpy as np
import PIL

from lossbench.data.images.decode import describe
from lossbench.errors import UserError, one_line
from lossbench.hardware import cores
from lossbench.meter import Meter
from lossbench.rundir.files import write_atomic

CHUNK = 64  # files a task: few enough for a smooth bar, many enough that a task's own cost does not count
FORMAT = f"2 {PIL.__version__}"  # another version of PIL may read other files

# What is remembered of a file: size in bytes, time of change in ns, digest, height, width, reason, note.
Row = tuple[int, int, str, int, int, str, str]
_COLUMNS, _TEXTS = ("size", "mtime_ns", "digest", "height", "width", "reason", "note"), ("digest", "reason", "note")


@dataclass(frozen=True)
class Inspection:
    """What is known of files: columns with a row a file, in the order of the request.

    Args:
        digest: text, (n,): the first 32 hexadecimal digits of the SHA-256 of the content; '' where it cannot be had.
        height: int32, (n,): pixels, upright; 0 where unreadable.
        width: int32, (n,): pixels, upright; 0 where unreadable.
        reason: text, (n,): why the image cannot be read; '' where it can.
        note: text, (n,): what is unusual but read right; '' where nothing is.
    """

    digest: np.ndarray
    height: np.ndarray
    width: np.ndarray
    reason: np.ndarray
    note: np.ndarray

    def __len__(self) -> int:
        return len(self.digest)

    def rows(self, which: slice) -> "Inspection":
        """Pick the rows of some files."""
        return Inspection(*(column[which] for column in vars(self).values()))


def inspect(root: Path, names: Sequence[str], cache_dir: Path) -> Inspection:
    """Read files once: hash the content, decode all of it, and remember both until the file's size or time changes.

    Args:
        root: the folder the names start from.
        names: files below it, e.g. `n01440764/n01440764_18.JPEG`.
        cache_dir: where what was read is remembered, below `inspected`.

    Returns:
        A row for every name; a file that cannot be read has a reason.

    Raises:
        UserError: `cache_dir` cannot be written.
    """
    memo = cache_dir / "inspected" / f"{sha256(os.fsencode(root.resolve())).hexdigest()[:16]}.npz"
    remembered, rows, todo = _recall(memo), dict[str, Row](), dict[str, tuple[int, int]]()
    for name in dict.fromkeys(names):
        found, known = _look(f"{root}/{name}"), remembered.get(name)
        if isinstance(found, str):
            rows[name] = _unread(found)
        elif known is not None and known[:2] == found:
            rows[name] = known
        else:
            todo[name] = found
    if todo:
        rows.update(_read_and_remember(root, todo, memo))
    return _columns([rows[name] for name in names])


def _look(path: str) -> tuple[int, int] | str:
    """A regular file's size and time, or why there is nothing to read."""
    try:
        found = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return "does not exist" + " (a broken link)" * os.path.islink(path)
    except (OSError, ValueError) as error:  # a ValueError for a NUL in the name
        return _cannot_read(error)
    if stat.S_ISDIR(found.st_mode):
        return "is a directory"
    return (found.st_size, found.st_mtime_ns) if stat.S_ISREG(found.st_mode) else "is not a regular file"


def _cannot_read(error: OSError | ValueError) -> str:
    return f"cannot be read: {getattr(error, 'strerror', None) or error}"


def _unread(reason: str) -> Row:
    return 0, 0, "", 0, 0, reason, ""


def _columns(rows: list[Row]) -> Inspection:
    _, _, digest, height, width, reason, note = zip(*rows, strict=True) if rows else [()] * 7
    texts = [np.array(column, dtype=str) for column in (reason, note)]
    return Inspection(np.array(digest, dtype="<U32"), np.array(height, np.int32), np.array(width, np.int32), *texts)


def _read_and_remember(root: Path, todo: Mapping[str, tuple[int, int]], memo: Path) -> dict[str, Row]:
    """Read files; what was read before an interruption is remembered too."""
    _check_writable(memo.parent)
    rows: dict[str, Row] = {}
    try:
        with closing(_read_all(root, todo)) as reading:
            rows.update(reading)
    finally:
        _remember(memo, {name: row for name, row in rows.items() if row[2]})
    return rows


def _read_all(root: Path, todo: Mapping[str, tuple[int, int]]) -> Generator[tuple[str, Row], None, None]:
    """Read in threads: PIL and hashlib let others run while they work."""
    items = list(todo.items())
    chunks = [items[start : start + CHUNK] for start in range(0, len(items), CHUNK)]
    pool = ThreadPoolExecutor(cores())
    with Meter("checking images", len(items)) as meter:
        try:
            for chunk in pool.map(partial(_read_chunk, root), chunks):
                yield from chunk
                meter.add(len(chunk))
        finally:
            pool.shutdown(cancel_futures=True)  # Ctrl-C: leave the rest out


def _read_chunk(root: Path, items: list[tuple[str, tuple[int, int]]]) -> list[tuple[str, Row]]:
    return [(name, _read(f"{root}/{name}", found)) for name, found in items]


def _read(path: str, found: tuple[int, int]) -> Row:
    """Hash and decode a file whose size and time are those found before it is read."""
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        return _unread(_cannot_read(error))
    digest = sha256(data).hexdigest()[:32]
    try:
        image = describe(data, path)
    except ValueError as error:
        return *found, digest, 0, 0, str(error).replace("\0", ""), ""
    return *found, digest, image.height, image.width, "", image.note


def _recall(memo: Path) -> dict[str, Row]:
    """Read the kept checks; a damaged file is deleted with a warning."""
    if not memo.exists():
        return {}
    try:
        with open(memo, "rb") as file, np.load(file, allow_pickle=False) as kept:
            if kept["format"].item() != FORMAT:
                return {}
            columns = [_unpack(kept[key]) if key in _TEXTS else kept[key].tolist() for key in _COLUMNS]
            return dict(zip(_unpack(kept["name"]), zip(*columns, strict=True), strict=True))  # pyright: ignore[reportReturnType]
    except Exception as error:  # damaged bytes raise errors of numpy, zipfile, zlib and struct
        logging.getLogger(__name__).warning(
            "%s is damaged (%s): it is thrown away, the images are read again", memo, one_line(error)
        )
        with suppress(OSError):
            memo.unlink()
        return {}


def _remember(memo: Path, rows: Mapping[str, Row]) -> None:
    """Add rows to what is remembered by now: another process may have added its own."""
    whole = _recall(memo) | dict(rows)
    columns = zip(_COLUMNS, zip(*whole.values(), strict=True) if whole else [()] * 7, strict=True)
    arrays = {key: _pack(column) if key in _TEXTS else np.array(column, np.int64) for key, column in columns}
    arrays |= {"name": _pack(whole), "format": np.array(FORMAT)}
    try:
        write_atomic(memo, lambda file: np.savez(file, **arrays))  # pyright: ignore[reportArgumentType] - its allow_pickle is not given
    except UserError as error:
        raise cannot_cache(memo, error.__cause__ or error) from error


def _pack(texts: Iterable[str]) -> np.ndarray:
    """Texts as bytes: an array of text would give every row the length of the longest."""
    return np.frombuffer("\0".join([*texts, ""]).encode("utf-8", "surrogateescape"), np.uint8)


def _unpack(packed: np.ndarray) -> list[str]:
    return packed.tobytes().decode("utf-8", "surrogateescape").split("\0")[:-1]


def _check_writable(folder: Path) -> None:
    """Before hours of reading, not after."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_cache(folder, error) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise cannot_cache(folder, PermissionError(13, "Permission denied"))


def cannot_cache(path: Path, error: BaseException) -> UserError:
    """Say why a file of a cache cannot be written and what to do about it."""
    why = getattr(error, "strerror", None) or error
    return UserError(f"cannot write {path}: {why}; choose another place with data.cache_dir=PATH or LOSSBENCH_CACHE")
