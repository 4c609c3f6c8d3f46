"""How a sweep is going: one line a finished run, and in a terminal a bar for the whole sweep."""

import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from tqdm import tqdm

from lossbench.rundir.directory import RunDirectory

BAR = "{desc} |{bar}| {n_fmt}/{total_fmt} [{elapsed}{postfix}]"


class SweepProgress:
    """Count the runs of a sweep and say how far it is.

    Args:
        labels: what tells each run from the others.
        todo: the runs that are not done yet.
        shown: a metric of result.json to print for each run, e.g. test/accuracy.
    """

    def __init__(self, labels: Mapping[RunDirectory, str], todo: Sequence[RunDirectory], shown: str) -> None:
        self.labels, self.total, self.shown = labels, len(todo), shown
        self.failed: dict[RunDirectory, str] = {}
        self.done = self.running = 0
        self.first = self.seconds = 0.0  # when the first run ended, and how long it says it took
        self.in_terminal = sys.stderr.isatty()
        self.bar = tqdm(total=self.total, bar_format=BAR, dynamic_ncols=True, leave=False, disable=not self.in_terminal)
        self._draw()

    def started(self, run: RunDirectory) -> None:
        """Note that a run has begun."""
        self.running += 1
        self._draw()

    def say(self, line: str) -> None:
        """Print a line above the bar."""
        self.bar.write(line, file=sys.stdout)
        sys.stdout.flush()

    def left(self) -> None:
        """Note that a run that was begun is left to somebody else for now."""
        self.running -= 1
        self._draw()

    def finished(
        self, run: RunDirectory, result: Mapping[str, Any] | None, reason: str | None = None, *, say: bool = True
    ) -> None:
        """Note how a run ended, with a result or with the reason why it has none, and say so."""
        self.running -= 1
        if not self.done and not self.failed:
            self.first, self.seconds = time.monotonic(), float((result or {}).get("seconds", 0.0))
        if result is None:
            self.failed[run] = str(reason)
        else:
            self.done += 1
        number = self.done + len(self.failed)
        said = f"failed: {reason}" if result is None else self._score(result)
        line = f"[{number:>{len(str(self.total))}}/{self.total}] {self.labels[run]}  {said}"
        left = "" if self.bar.disable is False or number == self.total else f"  ({self._counts()})"
        if say:
            self.say(line + left)
        self.bar.update(1)
        self._draw()

    def close(self) -> None:
        """Take the bar away."""
        self.bar.close()

    def _score(self, result: Mapping[str, Any]) -> str:
        value = result["metrics"].get(self.shown)
        text = "" if value is None else f"{self.shown} {value:.4g}  "
        return f"{text}{result['seconds']:.1f} s"

    def _counts(self) -> str:
        left = self.total - self.done - len(self.failed)
        return f"done {self.done}, running {self.running}, failed {len(self.failed)}, left {left - self.running}{self._time_left()}"

    def _time_left(self) -> str:
        ended = self.done + len(self.failed)
        if not ended:
            return ""
        # The first run's time holds the import of torch, which no other run pays.
        since = (time.monotonic() - self.first) / (ended - 1) if ended > 1 else self.seconds
        seconds = since * (self.total - ended)
        return f", about {duration(seconds)} to go"

    def _draw(self) -> None:
        self.bar.set_description_str(self._counts())


def duration(seconds: float) -> str:
    """Word a time: 45 s, 12 min, 3.5 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
