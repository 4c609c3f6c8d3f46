"""How the files of a run directory are read: bounded, and nothing but plain values. They may be damaged, or hostile."""

import errno
import json
import os
import stat
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import yaml

from lossbench.config.plain import is_mapping
from lossbench.errors import UserError, one_line

MOST_BYTES: Mapping[str, int] = {".yaml": 2_000_000, ".json": 16_000_000, ".csv": 500_000_000}
MOST_VALUES = 1_000_000
MOST_LEVELS = 64
SCALARS = {str, int, float, bool, NoneType}
MOST_BITS = 64  # of a whole number: Python writes no number of more than 4,300 digits
MOST_DIGITS = 100  # of a number's text: 1:1:1:... is a number to the base 60, and takes seconds
MOST_MARKS = 500  # that may open a level; the parser calls itself for each
WAY_OUT = "move it away and start the run again, or start the run with force=true, which archives its directory"


class DamagedError(UserError):
    """A file of a run directory cannot be used: this run is named and left out, the others go on.

    Args:
        path: the file, or the directory.
        reason: what is wrong with it, as what follows the path in a sentence.
        way_out: what to do.
    """

    def __init__(self, path: Path, reason: str, way_out: str = WAY_OUT) -> None:
        super().__init__(f"{path} {reason}; {way_out}")
        self.path, self.reason, self.way_out = path, reason, way_out


def open_file(path: Path) -> BinaryIO:
    """Open a file for reading; a folder, a pipe or a device is refused, and not waited for.

    Raises:
        OSError: there is no such file, or it cannot be read.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(errno.EINVAL, "it is not a file", str(path))
    return open(handle, "rb")


def read_bytes(path: Path) -> bytes:
    """Read a YAML, JSON or CSV file whole.

    Raises:
        OSError: there is no such file, or it cannot be read.
        ValueError: it is too large for a file of its kind.
    """
    most = MOST_BYTES.get(path.suffix, MOST_BYTES[".json"])
    with open_file(path) as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise ValueError(f"it has more than {most:,} bytes")
    return content


def read_json(path: Path, way_out: str = WAY_OUT) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        DamagedError: the file is missing, damaged, too large or too deep.
    """
    return _read(path, json.loads, "a JSON object", way_out)


def read_yaml(path: Path, way_out: str = WAY_OUT) -> dict[str, Any]:
    """Read a plain YAML mapping; tags that would build objects and keys that merge mappings are refused.

    Raises:
        DamagedError: the file is missing, damaged, too large, too deep or not plain.
    """
    return _read(path, _parse_yaml, "a mapping", way_out)


def read_json_if_any(path: Path, way_out: str = WAY_OUT) -> dict[str, Any] | None:
    """Read a JSON object; None where there is no file.

    Raises:
        DamagedError: as `read_json`.
    """
    return read_json(path, way_out) if os.path.lexists(path) else None


def check_plain(value: object) -> None:
    """Check that a value is made of plain containers, texts and numbers, finite in depth and number of parts.

    An alias counts as often as it is used: a few lines of YAML may stand for any number of values.

    Raises:
        ValueError: it is not; says why.
    """
    level, seen = [value], 0
    for _ in range(MOST_LEVELS):
        level = _inside(level)
        seen += len(level)
        if not level:
            return
        if seen > MOST_VALUES:
            raise ValueError(f"it has more than {MOST_VALUES:,} values")
    raise ValueError(f"it is nested more than {MOST_LEVELS} levels deep")


def _inside(values: Iterable[object]) -> list[Any]:
    """What stands in some containers; stops where it is too much."""
    found: list[Any] = []
    for value in values:
        kind = type(value)
        if kind is dict:
            found.extend(_values(cast(dict[Any, Any], value)))
        elif kind is list:
            found.extend(cast(list[Any], value))
        elif kind is int and cast(int, value).bit_length() > MOST_BITS:
            raise ValueError("a number in it is too large")
        elif kind not in SCALARS:
            raise ValueError(f"it holds a {kind.__name__}, not only texts, numbers, lists and settings by name")
        if len(found) > MOST_VALUES:
            break
    return found


def _values(mapping: dict[Any, Any]) -> Iterable[Any]:
    kinds = {*map(type, mapping)}
    if len(kinds) > 1 or not kinds <= SCALARS:  # they are sorted
        raise ValueError("it has keys of different kinds")
    return mapping.values()


if TYPE_CHECKING:
    from yaml import SafeLoader
else:
    SafeLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class PlainLoader(SafeLoader):
    """The safe loader without merged mappings, which grow without bound, and without endless numbers."""

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Refuse the key << of a mapping."""
        for key, _ in node.value:
            if key.tag == "tag:yaml.org,2002:merge":
                raise ValueError("it merges mappings (<<)")

    def construct_scalar(self, node: Any) -> Any:
        """Refuse numbers of an unreasonable length."""
        if len(node.value) > MOST_DIGITS and node.tag.endswith((":int", ":float")):
            raise ValueError(f"a number in it has more than {MOST_DIGITS} digits")
        return super().construct_scalar(node)


def _parse_yaml(content: bytes) -> object:
    if sum(map(content.count, (b"[", b"{", b"-", b"?"))) > MOST_MARKS:
        _check_depth(content)
    return yaml.load(content, Loader=PlainLoader)


def _check_depth(content: bytes) -> None:
    """Refuse deep nesting before the parser meets it: it ends the process."""
    depth, events = 0, cast(Iterable[yaml.Event], yaml.parse(content, Loader=PlainLoader))  # pyright: ignore[reportUnknownMemberType] - its stubs are partial
    for event in events:
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MOST_LEVELS:
            raise ValueError(f"it is nested more than {MOST_LEVELS} levels deep")


def _read(path: Path, parse: Callable[[bytes], object], expected: str, way_out: str) -> dict[str, Any]:
    try:
        value = parse(read_bytes(path))
        check_plain(value)
    except (OSError, ValueError, TypeError, AttributeError, OverflowError, RecursionError, yaml.YAMLError) as error:
        raise DamagedError(path, f"cannot be read ({why(error)})", way_out) from error
    if not is_mapping(value):
        raise DamagedError(path, f"is damaged: expected {expected}, found {type(value).__name__}", way_out)
    return dict(value)


def why(error: Exception) -> str:
    """Word what keeps a file from being read; the path stands before it."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return (error.strerror if isinstance(error, OSError) else None) or one_line(error)
