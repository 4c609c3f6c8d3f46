"""Text in figures: any name drawn as it is written, cut to the room there is."""

import re
from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache

import matplotlib
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.textpath import text_to_path

INK, QUIET = "0.15", "0.45"  # greys of text: content, and what helps to read it
POINTS = 72  # an inch
TITLE_SIZE = 11  # points
DPI = 130
UNKNOWN = "?"
LONGEST = 400  # characters looked at: more never fit, and measuring them takes time


def fit_text(text: str, width: float, size: float, rows: int = 1) -> str:
    r"""Break and shorten a text to the room it has, ready for matplotlib.

    Breaks after spaces and after - _ / , as long as there are rows left; a row that is still too long loses its middle
    ("Staff…Terrier"). Characters that matplotlib's font.family lacks become "?", white space becomes one space, and "$"
    is escaped as "\$" because matplotlib would typeset what stands between two of them.

    Args:
        text: any characters.
        width: room in points (1/72 inch), > 0.
        size: font size in points.
        rows: most rows to use, >= 1.

    Returns:
        1..rows rows joined by newlines.
    """
    lines = [""]
    for piece in re.split(r"(?<=[ _/,-])", _drawable(text[:LONGEST])):
        joined = lines[-1] + piece
        if len(lines) == rows or not lines[-1] or _width(joined, size) <= width:
            lines[-1] = joined
        else:
            lines.append(piece)
    return "\n".join(_shorten(line.strip(), width, size) for line in lines).replace("$", r"\$")


def tell_apart(class_names: Sequence[str]) -> list[str]:
    """Put the class index before names that are empty or that the font cannot draw, as all of those look alike."""
    return [
        name if name.strip() and _drawable(name) == _one_line(name) else f"{k} {name}"
        for k, name in enumerate(class_names)
    ]


def text_figure(text: str) -> Figure:
    """Draw nothing but a sentence."""
    figure = Figure(figsize=(5, 1), dpi=DPI, layout="constrained")
    figure.text(
        0.5,
        0.5,
        fit_text(text, 4.8 * POINTS, TITLE_SIZE, rows=3),
        ha="center",
        va="center",
        fontsize=TITLE_SIZE,
        color=INK,
    )
    return figure


def _one_line(text: str) -> str:
    return re.sub(r"[^\S\u00a0]+", " ", text).strip()  # a no-break space keeps "97 %" on one row


def _drawable(text: str) -> str:
    known = _characters(tuple(FontProperties().get_family()), tuple(matplotlib.rcParams["font.sans-serif"]))
    return "".join(sign if ord(sign) in known else UNKNOWN for sign in _one_line(text))


def _shorten(text: str, width: float, size: float) -> str:
    """Take out the middle until the text fits."""
    if _width(text, size) <= width:
        return text
    kept = bisect_right(range(len(text)), width, key=lambda k: _width(_without_middle(text, k), size)) - 1
    return _without_middle(text, max(kept, 2))


def _without_middle(text: str, kept: int) -> str:
    return f"{text[: (kept + 1) // 2].rstrip()}…{text[len(text) - kept // 2 :].lstrip()}"


def _width(text: str, size: float) -> float:
    return text_to_path.get_text_width_height_descent(text.strip(), FontProperties(size=size), ismath=False)[0]


@lru_cache
def _characters(families: tuple[str, ...], sans_serif: tuple[str, ...]) -> frozenset[int]:
    """Code points of the fonts in use; sans_serif, what the family of that name means, is there for the cache."""
    return frozenset[int]().union(
        *(get_font(findfont(FontProperties(family=[family]))).get_charmap() for family in families)
    )
