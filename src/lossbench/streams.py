"""Standard output and standard error of a command: one that cannot be written fails no run, and any encoding does."""

import codecs
import io
import os
import select
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from lossbench.escaping import printed

if TYPE_CHECKING:
    from typing_extensions import Buffer  # of collections.abc since Python 3.12

PLAIN = {
    "±": "+/-",
    "→": "->",
    "×": "x",
    "–": "-",
    "−": "-",
    "…": "...",
    "≤": "<=",
    "≥": ">=",
    "≈": "~",
    "█": "#",
    "■": "=",
    "▲": "^",
    "▼": "v",
    "○": "?",
}
"""What stands for a character that the encoding lacks; the others become escapes such as \\xe4."""


class OutputLost(SystemExit):
    """What a command prints cannot be written, and it does nothing else.

    Args:
        error: why.
    """

    def __init__(self, error: OSError) -> None:
        super().__init__(1)
        self.error = error


class Output(io.FileIO):
    """A stream that ignores what it cannot write any more.

    Args:
        file: a descriptor, or a file that is appended to.
        raises: whether the first failed write raises OutputLost.
    """

    def __init__(self, file: int | Path, *, raises: bool = False) -> None:
        super().__init__(file, "wb" if isinstance(file, int) else "ab", closefd=not isinstance(file, int))
        self.raises = raises
        self.failure: OSError | None = None

    def write(self, data: "Buffer", /) -> int:
        """Write all that the system takes now."""
        size = memoryview(data).nbytes
        if self.failure is not None:
            return size
        try:
            return self._written(data)
        except OSError as error:  # a full disk, a closed pipe, a terminal that is gone
            self.failure = error
        if self.raises:
            raise OutputLost(self.failure)
        return size

    def _written(self, data: "Buffer") -> int:
        while (written := super().write(data)) is None:  # the other end has made the pipe non-blocking
            select.select([], [self.fileno()], [])
        return written


class EscapedText(io.TextIOWrapper):
    """A text stream that writes control characters as escapes: what is printed may come from a file."""

    def write(self, text: str, /) -> int:
        """Write a text; gives its length."""
        super().write(printed(text))
        return len(text)

    def isatty(self) -> bool:
        """No: libraries that colour what they print in a terminal (rich) write plain text."""
        return False


def as_text(output: Output, encoding: str, *, line_buffering: bool, write_through: bool = False) -> TextIO:
    """Give an output the interface of a text stream; what its encoding lacks is written in plain ASCII."""
    return EscapedText(
        io.BufferedWriter(output), encoding, "plain", line_buffering=line_buffering, write_through=write_through
    )


def open_streams(*, raises: bool) -> Output | None:
    """Make sys.stdout and sys.stderr streams that fail nothing; those that something has replaced stay.

    Args:
        raises: whether a failed write to standard output raises OutputLost.

    Returns:
        Standard output; None where something has replaced it.
    """
    _open_closed_descriptors()
    outputs: dict[str, Output] = {}
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        before: TextIO | None = getattr(sys, name)
        if before is not getattr(sys, f"__{name}__"):
            continue
        outputs[name] = Output(descriptor, raises=raises and descriptor == 1)
        encoding = "utf-8" if before is None else before.encoding
        lines, through = (getattr(before, flag, False) for flag in ("line_buffering", "write_through"))
        setattr(sys, name, as_text(outputs[name], encoding, line_buffering=lines, write_through=through))
    return outputs.get("stdout")


def _open_closed_descriptors() -> None:
    """Give 0, 1 and 2 a file that cannot be written where they are closed: the next file opened would be printed to."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDONLY)  # gets the lowest free number


def _plain(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    text = error.object[error.start : error.end]
    return "".join(PLAIN.get(each) or each.encode("ascii", "backslashreplace").decode() for each in text), error.end


codecs.register_error("plain", _plain)
