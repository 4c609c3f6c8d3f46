"""How a sweep goes on: one line for each finished run, and in a terminal a bar for the whole sweep. Torch-free."""

import os
import sys
import time
from collections.abc import Mapping, Sequence

from tqdm import tqdm

from lossbench.meter import duration
from lossbench.rundir.directory import RunDirectory
from lossbench.rundir.result import Result

BAR = "{desc} |{bar}| {n_fmt}/{total_fmt} [{elapsed}{postfix}]"


class SweepProgress:
    """Count the runs of a sweep and print how far it is.

    Args:
        labels: each run and the settings in which it differs from the others.
        todo: the runs that are not done yet.
        shown: a metric of result.json to print for each run, e.g. test/accuracy.
    """

    def __init__(self, labels: Mapping[RunDirectory, str], todo: Sequence[RunDirectory], shown: str) -> None:
        self.labels, self.total, self.shown = labels, len(todo), shown
        self.failed: dict[RunDirectory, str] = {}
        self.done = self.running = 0
        self.first_end = self.first_seconds = 0.0  # when the first run ended, and how long it took
        self.in_terminal = os.isatty(2)
        self.bar = tqdm(total=self.total, bar_format=BAR, dynamic_ncols=True, leave=False, disable=not self.in_terminal)
        self._draw()

    def started(self, run: RunDirectory) -> None:
        """Count a run that has begun."""
        self.running += 1
        self._draw()

    def say(self, line: str) -> None:
        """Print a line above the bar."""
        self.bar.write(line, file=sys.stdout)
        sys.stdout.flush()

    def postponed(self) -> None:
        """Count a run that was started as not running: another process has locked it."""
        self.running -= 1
        self._draw()

    def finished(
        self, run: RunDirectory, result: Result | None, reason: str | None = None, *, say: bool = True
    ) -> None:
        """Count a run that has ended, with a result or with the reason why it has none, and print its line."""
        self.running -= 1
        if not self._ended():
            self.first_end, self.first_seconds = time.monotonic(), result.seconds if result else 0.0
        if result is None:
            self.failed[run] = str(reason)
        else:
            self.done += 1
        if say:
            self.say(self._line(run, f"failed: {reason}" if result is None else self._score(result)))
        self.bar.update(1)
        self._draw()

    def close(self) -> None:
        """Take the bar away."""
        self.bar.close()

    def _ended(self) -> int:
        return self.done + len(self.failed)

    def _line(self, run: RunDirectory, outcome: str) -> str:
        number = self._ended()
        line = f"[{number:>{len(str(self.total))}}/{self.total}] {self.labels[run]}  {outcome}"
        if self.in_terminal or number == self.total:  # the bar shows the counts
            return line
        return f"{line}  ({self._counts()})"

    def _score(self, result: Result) -> str:
        value = result.metrics.get(self.shown)
        metric = "" if value is None else f"{self.shown} {value:.4g}  "
        return f"{metric}{result.seconds:.1f} s"

    def _counts(self) -> str:
        left = self.total - self._ended() - self.running
        counts = f"done {self.done}, running {self.running}, failed {len(self.failed)}, left {left}"
        return f"{counts}{self._time_left()}"

    def _time_left(self) -> str:
        ended = self._ended()
        if not ended:
            return ""
        # The first run's time holds the import of torch, which no other run pays.
        pace = (time.monotonic() - self.first_end) / (ended - 1) if ended > 1 else self.first_seconds
        return f", about {duration(pace * (self.total - ended))} to go"

    def _draw(self) -> None:
        self.bar.set_description_str(self._counts())


def number_of_runs(n: int) -> str:
    """Word a number of runs: 1 run, 2 runs."""
    return f"{n} {'run' if n == 1 else 'runs'}"
