"""How far counted work has come: a bar in a terminal, elsewhere lines at the start, each minute and at the end."""

import os
import sys
import time
from types import TracebackType
from typing import Self

EVERY = 60.0
"""Seconds between two lines."""
SHOWN_FROM = 200
"""Of no more than this nothing is shown unless it takes a minute: a bar would only flash."""


class Meter:
    """Show how far counted work has come, on standard error.

    Args:
        what: is done, such as "checking images".
        total: how many there are.
        unit: what is counted, plural.
        shown_from: of no more than so many nothing is shown unless it takes a minute.
    """

    def __init__(self, what: str, total: int, unit: str = "images", shown_from: int = SHOWN_FROM) -> None:
        self.what, self.total, self.unit, self.done = what, total, unit, 0
        self.began = self.said = time.monotonic()
        self.shown = total > shown_from
        self._bar = None
        if self.shown and os.isatty(2):
            from tqdm import tqdm

            self._bar = tqdm(total=total, desc=what, unit=f" {unit}", file=sys.stderr, dynamic_ncols=True, leave=None)
        elif self.shown:
            self._say(f"{total:,} {unit}")

    def add(self, n: int = 1) -> None:
        """Count what has been done."""
        self.done += n
        if self._bar is not None:
            self._bar.update(n)
        elif self.done < self.total and time.monotonic() - self.said >= EVERY:
            self.shown = True
            self._say(self._state())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()
        elif self.shown:
            ended = "finished" if error is None else "stopped"
            self._say(f"{ended} after {duration(self._seconds())}, {self._counts()}")

    def _state(self) -> str:
        left = self._seconds() / max(self.done, 1) * (self.total - self.done)
        return f"{self._counts()}, about {duration(left)} to go"

    def _counts(self) -> str:
        pace = self.done / max(self._seconds(), 1e-9)
        return f"{self.done:,} of {self.total:,} {self.unit}, {pace:,.3g} {self.unit}/s"

    def _seconds(self) -> float:
        return time.monotonic() - self.began

    def _say(self, text: str) -> None:
        self.said = time.monotonic()
        print(f"{self.what}: {text}", file=sys.stderr, flush=True)


def duration(seconds: float) -> str:
    """Word a time: 45 s, 12 min, 3.5 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
