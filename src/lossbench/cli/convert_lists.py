"""Turn a pickled list of images (VIPriors') into text without running anything in it.

lossbench convert-lists IN.pickle OUT.txt
"""

import io
import pickle
import pickletools
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, NoReturn

from lossbench.cli.parser import Parser, as_path
from lossbench.data.images.lists import KNOWN, converted, split_line, unsafe
from lossbench.errors import UserError, one_line

# What it takes to write lists, tuples, dicts, texts and whole numbers; nothing that names or calls code.
OPCODES = """
PROTO FRAME STOP MARK POP POP_MARK DUP PUT BINPUT LONG_BINPUT GET BINGET LONG_BINGET MEMOIZE
EMPTY_LIST LIST APPEND APPENDS EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 EMPTY_DICT DICT SETITEM SETITEMS
NONE NEWTRUE NEWFALSE INT BININT BININT1 BININT2 LONG LONG1 LONG4
STRING BINSTRING SHORT_BINSTRING UNICODE SHORT_BINUNICODE BINUNICODE BINUNICODE8
"""
HARMLESS = frozenset(OPCODES.split())
Entry = tuple[str, int | None]


class PlainUnpickler(pickle.Unpickler):
    """Reads lists, tuples, dicts, texts and numbers; whatever would look up code is refused."""

    def find_class(self, module_name: str, global_name: str) -> NoReturn:
        """Refuse."""
        raise pickle.UnpicklingError(f"it names {module_name}.{global_name}")

    def persistent_load(self, pid: Any) -> NoReturn:
        """Refuse."""
        raise pickle.UnpicklingError("it names an object outside the file")


def main(words: Sequence[str] | None = None) -> None:
    """Read a pickled list and write it as text."""
    given = _parser().parse_args(words)
    try:
        data = given.source.read_bytes()
    except OSError as error:
        raise UserError(f"{given.source} cannot be read: {error.strerror}") from error
    digest = sha256(data).hexdigest()
    known = KNOWN.get(digest[:16])
    if known is None and not given.unknown:
        raise UserError(
            f"{given.source} is none of the published lists (sha256 {digest}); --unknown converts it all the same"
        )
    try:
        lines = to_lines(entries(load_plain(data)))
    except ValueError as error:
        raise UserError(f"{given.source}: {one_line(error)}") from error
    write_new(given.out, converted(known or "unknown list", digest, "".join(f"{line}\n" for line in lines).encode()))
    print(f"{given.out}: {len(lines):,} images, {known or 'unknown list'}")


def _parser() -> Parser:
    parser = Parser("convert-lists", __doc__)
    parser.add_argument("source", type=as_path, metavar="IN.pickle")
    parser.add_argument("out", type=as_path, metavar="OUT.txt", help="must not exist")
    parser.add_argument("--unknown", action="store_true", help="convert also what is none of the published lists")
    return parser


def load_plain(data: bytes) -> Any:
    """Read a pickle of lists, tuples, dicts, texts and whole numbers; nothing in it is run.

    Args:
        data: the pickle.

    Returns:
        What it holds.

    Raises:
        ValueError: it is no pickle, or holds anything else.
    """
    try:
        for opcode, argument, _ in pickletools.genops(data):
            _require_harmless(opcode.name, argument, len(data))
        return PlainUnpickler(io.BytesIO(data), encoding="utf-8").load()
    except _RefusedError:
        raise
    except Exception as error:  # pickle raises some ten kinds of errors on what is no pickle
        raise ValueError(f"not a pickled list ({one_line(error)[:100]})") from error


class _RefusedError(ValueError):
    """A pickle that holds more than a list of images needs."""


def _require_harmless(opcode: str, argument: Any, size: int) -> None:
    if opcode not in HARMLESS:
        raise _RefusedError(
            f"refused, nothing was run: {opcode} {str(argument or '')[:60]} is not needed for a list of images"
        )
    if "PUT" in opcode and int(argument or 0) > size:  # it would take memory for all the numbers below
        raise _RefusedError(f"refused: {opcode} {argument}")


def entries(value: Any) -> list[Entry]:
    """Find names and labels in a list of names, of (class, file), of (name, label), or in two lists: names and labels.

    Args:
        value: what the pickle holds.

    Returns:
        (name, label or None) for every image, in order.

    Raises:
        ValueError: it is none of these.
    """
    if not isinstance(value, list | tuple) or not value:
        empty = "an empty " if value in ([], (), {}) else ""
        raise ValueError(f"expected a list of images, found {empty}{type(value).__name__}")
    if _is_names_and_labels(value):
        return list(zip(*value, strict=True))
    return [_entry(number, item) for number, item in enumerate(value, 1)]


def _is_names_and_labels(value: Sequence[Any]) -> bool:
    """Whether it is two lists of the same length, texts and whole numbers."""
    if len(value) != 2 or not all(isinstance(part, list | tuple) for part in value):
        return False
    names, labels = value
    texts, numbers = {type(name) for name in names} == {str}, {type(label) for label in labels} == {int}
    return len(names) == len(labels) and texts and numbers


def _entry(number: int, item: Any) -> Entry:
    match item:
        case str(name):
            return name, None
        case [str(folder), str(file)] if "/" not in folder:
            return f"{folder}/{file}", None
        case [str(name), int(label)] if not isinstance(label, bool):
            return name, label
    raise ValueError(f"entry {number} is neither a name nor (class, file) nor (name, label) but {type(item).__name__}")


def to_lines(found: list[Entry]) -> list[str]:
    """Write a line for every image; a leading train/ or val/ that all names have is left out.

    Raises:
        ValueError: a name leaves its folder, comes twice, or a line would not be read back as it is.
    """
    for number, (name, label) in enumerate(found, 1):
        _require_line(number, name, label)
    counts = Counter(name for name, _ in found)
    twice = next((name for name, count in counts.items() if count > 1), None)
    if twice is not None:
        raise ValueError(f"{twice!r} is listed twice")
    tops = {name.partition("/")[0] for name, _ in found}
    prefix = f"{tops.pop()}/" if tops in ({"train"}, {"val"}) else ""
    return [_line(name.removeprefix(prefix), label) for name, label in found]


def _line(name: str, label: int | None) -> str:
    return name if label is None else f"{name} {label}"


def _require_line(number: int, name: str, label: int | None) -> None:
    """Refuse a name that leaves its folder, or a line that would not be read back as it is."""
    if reason := unsafe(name):
        raise ValueError(f"entry {number}: {name!r} {reason}")
    line = _line(name, label)
    one_text = len(line.splitlines()) == 1 and not line.startswith("#")
    if not one_text or split_line(line) != (name, None if label is None else str(label)):
        raise ValueError(f"entry {number}: {name!r} cannot be written as a line")


def write_new(path: Path, content: bytes) -> None:
    """Write a file that must not exist yet."""
    try:
        with open(path, "xb") as file:
            file.write(content)
    except FileExistsError as error:
        raise UserError(f"{path} exists: nothing is overwritten, give another name") from error
    except OSError as error:
        with suppress(OSError):
            path.unlink(missing_ok=True)  # half of it
        raise UserError(f"cannot write {path}: {error.strerror}") from error
