"""Texts that others have chosen (names, paths, reasons) on their way out: terminal, CSV, Markdown, file names.

Each function is the one place for its kind of output; HTML is escaped by its template.
"""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from html import escape

# Control characters but tab and line feed, and those that change the direction of a text or break its line.
CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
BREAKS = re.compile("[\t\n]")
BAR = re.compile("(?:\n|\x1b\\[A)+")  # how a progress bar moves to its line; it starts a line with \r
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
MARKDOWN = re.compile(r"[\\`*\[\]|~!#$@]|(?<=\b[Hh][Tt][Tt][Pp])(?=s?:)|(?=//)|(?<=\bwww)(?=\.)")
LATEX = {
    "\\": r"\textbackslash{}",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "`": r"\textasciigrave{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
    "[": "{[}",  # behind a line's end it would be an argument
    "]": "{]}",
    **{sign: f"\\{sign}" for sign in "{}$&#%_"},
}
LONGEST_NAME = 100


def for_terminal(text: str) -> str:
    """Write control characters as escapes such as \\x1b: a terminal would obey them."""
    return CONTROLS.sub(_escaped, text)


def for_latex(text: str) -> str:
    """Write a text in LaTeX, in one line; what is beyond Latin-1, which needs a font of its own, as its code point."""
    return "".join(LATEX.get(sign) or _in_latin(sign) for sign in in_line(text.replace("\n", " ")))


def _in_latin(sign: str) -> str:
    return sign if ord(sign) < 0x100 else f"U+{ord(sign):04X}"


def in_line(text: object) -> str:
    """Write a name for a terminal in one line: line breaks, tabs and broken characters as escapes too."""
    whole = str(text).encode("utf-8", "backslashreplace").decode()
    return BREAKS.sub(_escaped, for_terminal(whole))


def printed(text: str) -> str:
    """What a stream writes: as `for_terminal`, but a progress bar may return to its line."""
    if BAR.fullmatch(text):
        return text
    return f"\r{for_terminal(text[1:])}" if text.startswith("\r") else for_terminal(text)


def for_csv(cell: object) -> object:
    """Put ' before a text that a spreadsheet would run as a formula; numbers stay numbers."""
    if cell is None or isinstance(cell, int | float):
        return cell
    text = str(cell)
    return f"'{text}" if text.startswith(FORMULA) and not _is_number(text) else text


def csv_text(rows: Iterable[Sequence[object]]) -> str:
    """Write rows as CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([for_csv(cell) for cell in row] for row in rows)
    return text.getvalue()


def for_markdown(text: str) -> str:
    """Write a text that Markdown shows as it is, in one line: no HTML, no links, no cells of a table."""
    return MARKDOWN.sub(lambda found: f"\\{found[0]}", escape(in_line(" ".join(text.split())), quote=False))


def file_name(text: str) -> str:
    """Make a part of a path of a text: letters, digits, "_", "-", "." and "=", no more than 100."""
    return re.sub(r"[^A-Za-z0-9_.=-]|^[.-]", "_", text)[:LONGEST_NAME] or "_"


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
