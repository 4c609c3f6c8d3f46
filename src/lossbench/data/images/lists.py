"""Lists of images that say which split they are in: `class/file` or `class/file label`, a line each. Torch-free.

The last word of a line is its label when it is a whole number, or when what stands before it ends like an image
(.jpg, .png, ...) and it
does not; then it has to be a whole number >= 0. Otherwise the whole line is the name. So names may contain spaces,
and may do without an
ending where they have a label.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np

from lossbench.data.images.decode import ENDINGS
from lossbench.data.images.files import never_data
from lossbench.errors import UserError

# The first 16 hexadecimal digits of the SHA-256 of published lists; VIPriors' are pickles, which
# lossbench convert-lists turns into text.
KNOWN = {
    "11160099b3c6ff3a": "VIPriors train",
    "adecb5315745c9bb": "VIPriors val",
    "fbad400aae669177": "VIPriors test",
    "27f8d41de26b57f9": "DEIC train",
    "7c2281e695fe3b80": "DEIC val",
    "2f971cb4af87921e": "DEIC trainval",
    "bc8e35f70611cfcd": "DEIC test",
}
_IMAGE = tuple(ending for endings in ENDINGS.values() for ending in endings)
_WHOLE = re.compile(r"[+-]?\d+", re.ASCII)
_CONVERTED = re.compile(
    rb"# [^\n]*: converted from sha256 ([0-9a-f]{64}), the lines below have sha256 ([0-9a-f]{64})\r?\n"
)


@dataclass(frozen=True)
class FileList:
    """A list that was read and checked.

    Args:
        names: files below the root, `class/file`, each once.
        labels: int64, (n,), >= 0, one to one with the class folders; None where the list has none.
        sha256: of the list's file, 64 hexadecimal digits.
        known: which published list it is, e.g. "DEIC val", also after conversion to text; None where it is none of
            them.
    """

    names: list[str]
    labels: np.ndarray | None
    sha256: str
    known: str | None

    @property
    def facts(self) -> dict[str, str | None]:
        """The list as result.json records it."""
        return {"sha256": self.sha256, "known": self.known}


def read_list(path: Path, root_name: str = "data.root", *, ending: str | None = None, strict: bool = True) -> FileList:
    """Read a list of images.

    Args:
        path: a text file; blank lines and lines that begin with # are skipped.
        root_name: what the user calls the folder that the names start from.
        strict: whether the first folder of a name is its class, so that each needs one, with a label of its own.
        ending: added to names that do not end like an image; None adds .JPEG to DEIC's lists, which leave it out, and
            nothing to others.

    Returns:
        Names and labels in the list's order.

    Raises:
        UserError: the file or a line is wrong: one line that names the file and the line's number.
    """
    data = _bytes(path)
    digest = sha256(data).hexdigest()
    known = KNOWN.get(_origin(data, digest)[:16])
    lines = [
        (number, *split_line(line)) for number, line in enumerate(_text(path, data).split("\n"), 1) if _counts(line)
    ]
    if not lines:
        raise UserError(f"{path} lists no images; a line is CLASS/FILE or CLASS/FILE LABEL")
    ending = ending if ending is not None else ".JPEG" * (known or "").startswith("DEIC")
    try:
        names = _names(lines, root_name, ending, strict=strict)
        return FileList(names, _labels(lines, strict=strict), digest, known)
    except ValueError as error:
        hint = (
            "; it lists all validation images of ImageNet: leave it out to test on them" if known == "DEIC test" else ""
        )
        raise UserError(f"{path}, {error}{hint}") from error


def split_line(line: str) -> tuple[str, str | None]:
    """Divide a line into name and label, a label that is no number included; see the top of this file for the rule."""
    line = line.strip()
    name, last = (*line.rsplit(maxsplit=1), "")[:2]
    labelled = last and (_WHOLE.fullmatch(last) or (_is_image(name) and not _is_image(last)))
    return (name, last) if labelled else (line, None)


def unsafe(name: str) -> str | None:
    """Why a name could leave the folder it starts from, or None."""
    parts = name.split("/")
    reasons = {
        "holds a NUL": "\0" in name,
        "holds a backslash (write /)": "\\" in name,
        "begins with a drive letter": re.match(r"[A-Za-z]:", name) is not None,
        "begins with ~": name.startswith("~"),
        "is absolute": name.startswith("/"),
        "has a .. part": ".." in parts,
        "has an empty or . part": bool({"", "."} & set(parts)),
    }
    return next((reason for reason, holds in reasons.items() if holds), None)


def converted(name: str, source: str, body: bytes) -> bytes:
    """Put a first line above a converted list that identifies it: its name and the SHA-256 of the original."""
    return (
        f"# {name}: converted from sha256 {source}, the lines below have sha256 {sha256(body).hexdigest()}\n".encode()
        + body
    )


def _origin(data: bytes, digest: str) -> str:
    """The SHA-256 of the list this one was converted from, if nobody has changed it since; else its own."""
    found = _CONVERTED.match(data)
    return found[1].decode() if found and sha256(data[found.end() :]).hexdigest() == found[2].decode() else digest


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}; give the path of a list of images") from error


def _text(path: Path, data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        hint = "; a pickled list is made text by lossbench convert-lists" if data[:1] == b"\x80" else ""
        raise UserError(f"{path}, line {data[: error.start].count(10) + 1}: not UTF-8 text{hint}") from error


def _counts(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#")


def _is_image(name: str) -> bool:
    return name.lower().endswith(_IMAGE)


def _names(lines: Sequence[tuple[int, str, str | None]], root_name: str, ending: str, *, strict: bool) -> list[str]:
    seen: dict[str, int] = {}
    for number, given, _ in lines:
        name = given if _is_image(given) else given + ending
        if reason := unsafe(name):
            raise ValueError(f"line {number}: {given!r} {reason}; names are CLASS/FILE below {root_name}")
        if strict and "/" not in name:
            raise ValueError(f"line {number}: {given!r} has no class folder; write CLASS/FILE")
        if never_data(name):
            raise ValueError(f"line {number}: {given!r} is a file of a system, or hidden, and no data; delete the line")
        if (first := seen.setdefault(name, number)) != number:
            raise ValueError(f"line {number}: {given!r} is listed twice, first in line {first}")
    return list(seen)


def _labels(lines: Sequence[tuple[int, str, str | None]], *, strict: bool) -> np.ndarray | None:
    first, _, label = lines[0]
    if odd := next((number for number, _, other in lines if (other is None) != (label is None)), None):
        having, lacking = (odd, first) if label is None else (first, odd)
        raise ValueError(f"line {lacking} has no label but line {having} has one: either all have one or none")
    if label is None:
        return None
    labels = [_label(number, str(word)) for number, _, word in lines]
    if strict:
        _require_one_to_one([(number, name, label) for (number, name, _), label in zip(lines, labels, strict=True)])
    return np.array(labels, np.int64)


def _require_one_to_one(lines: Iterable[tuple[int, str, int]]) -> None:
    """Require that each class folder has one label, and each label one class folder."""
    of_folder, of_label = dict[str, tuple[int, int]](), dict[int, tuple[str, int]]()
    for number, name, value in lines:
        folder = name.split("/")[0]
        if (known := of_folder.setdefault(folder, (value, number)))[0] != value:
            raise ValueError(
                f"line {number}: class folder {folder} has label {value} but {known[0]} in line {known[1]}"
            )
        if (owner := of_label.setdefault(value, (folder, number)))[0] != folder:
            raise ValueError(
                f"line {number}: label {value} is of class folder {folder} but of {owner[0]} in line {owner[1]}"
            )


def _label(number: int, word: str) -> int:
    if not _WHOLE.fullmatch(word) or not 0 <= int(word[:20]) < 2**31:
        raise ValueError(f"line {number}: the label must be a whole number >= 0, got {word[:40]}")
    return int(word)
