"""The key of a figure: what its lines, markers and areas stand for, in columns outside the axes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from lossbench.plots.labels import fit_text
from lossbench.plots.sheet import LINE, ROOM, SMALL, Sheet, short, text_height, text_width
from lossbench.plots.theme import QUIET

SAMPLE = 22.0  # points for a sample of the line
GAP = 5.0
COLUMNS = 3


@dataclass(frozen=True)
class Entry:
    """One line of the key.

    Args:
        text: a name of any length, shortened as needed.
        line: matplotlib's properties of the line and marker it stands for, if any.
        box: those of the area it stands for, if any.
        tail: what follows the name and stays whole.
        alone: whether it has a row of its own, however long the others are.
    """

    text: str
    line: dict[str, Any] = field(default_factory=dict)
    box: dict[str, Any] = field(default_factory=dict)
    tail: str = ""
    alone: bool = False

    @property
    def sample(self) -> float:
        """Points taken by the sample."""
        return SAMPLE + GAP if self.line or self.box else 0.0


class Key:
    """The entries, laid out.

    Args:
        entries: in the order to be read, along the rows.
    """

    def __init__(self, entries: Sequence[Entry]) -> None:
        widths = [entry.sample + text_width(_one_line(entry, ROOM), SMALL) for entry in entries if not entry.alone]
        self.columns = max(1, min(COLUMNS, len(widths), int((ROOM + 2 * GAP) // (max(widths, default=ROOM) + 2 * GAP))))
        self.cell = (ROOM + 2 * GAP) / self.columns
        self.rows: list[list[tuple[Entry, str]]] = []
        for entry in entries:
            if not self.rows or entry.alone or self.rows[-1][-1][0].alone or len(self.rows[-1]) == self.columns:
                self.rows.append([])
            self.rows[-1].append((entry, self._lines(entry)))
        self.heights = [max(text_height(text) for _, text in row) + 1 for row in self.rows]
        self.height = sum(self.heights)

    def draw(self, sheet: Sheet, left: float, top: float) -> None:
        """Draw the key with its upper left corner at a place of the sheet, in points."""
        for row, height in zip(self.rows, self.heights, strict=True):
            for column, (entry, text) in enumerate(row):
                _draw_entry(sheet, left + column * self.cell, top, entry, text)
            top += height

    def _lines(self, entry: Entry) -> str:
        room = (ROOM if entry.alone else self.cell - 2 * GAP) - entry.sample
        return _one_line(entry, room + entry.sample) if entry.tail else fit_text(entry.text, room, SMALL, rows=3)


def _draw_entry(sheet: Sheet, x: float, top: float, entry: Entry, text: str) -> None:
    middle = top + LINE * SMALL / 2
    if entry.box:
        sheet.box(x + 1, middle - 4, SAMPLE - 2, 8, **entry.box)
    if entry.line:
        sheet.line((x + 1, x + SAMPLE / 2, x + SAMPLE - 1), middle, markevery=[1], **entry.line)
    sheet.write(x + entry.sample, top, text, colour=QUIET)


def _one_line(entry: Entry, width: float) -> str:
    room = width - entry.sample
    return fit_text(short(entry.text, room - text_width(entry.tail, SMALL) - 1, SMALL) + entry.tail, room, SMALL)
