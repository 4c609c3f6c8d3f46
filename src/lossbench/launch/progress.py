"""How a sweep goes on: a line for each finished run; in a terminal a bar, elsewhere a line each minute. Torch-free."""

import os
import sys
import threading
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager

from tqdm import tqdm

from lossbench.rundir.directory import RunDirectory
from lossbench.rundir.progress import RunProgress, progress_of, to_go
from lossbench.rundir.result import Result

LINE_SECONDS = 60.0  # between two lines where there is no terminal
BAR = "{desc} |{bar}| {n_fmt}/{total_fmt} [{elapsed}{postfix}]"


class SweepProgress:
    """Count the runs of a sweep and print how far it is.

    Args:
        labels: each run and the settings in which it differs from the others.
        todo: the runs that are not done yet.
        shown: a metric of result.json to print for each run, e.g. test/accuracy; of a trial val/accuracy.
        what: what the runs are, such as trials, of which not each gets a line; "" where each does.
    """

    def __init__(
        self, labels: Mapping[RunDirectory, str], todo: Sequence[RunDirectory], shown: str, what: str = ""
    ) -> None:
        self.labels, self.total, self.shown, self.what = labels, len(todo), shown, what
        self.failed: dict[RunDirectory, str] = {}
        self.done, self.active = 0, dict[RunDirectory, None]()  # the runs that go on
        self.began = self.printed = time.monotonic()
        self.output = sys.stdout  # a run may have its own meanwhile
        self.first_end = self.first_seconds = 0.0  # when the first run ended, and how long it took
        self.in_terminal = os.isatty(2)
        self.bar = tqdm(total=self.total, bar_format=BAR, dynamic_ncols=True, leave=False, disable=not self.in_terminal)
        self._draw()

    @property
    def running(self) -> int:
        """How many runs go on."""
        return len(self.active)

    def started(self, run: RunDirectory) -> None:
        """Count a run that has begun."""
        self.active[run] = None
        self._draw()

    def say(self, line: str) -> None:
        """Print a line above the bar."""
        self.bar.write(line, file=self.output)
        self.output.flush()

    def postponed(self, run: RunDirectory) -> None:
        """Count a run that was started as not running: another process has locked it."""
        self.active.pop(run, None)
        self._draw()

    @contextmanager
    def line_each_minute(self) -> Generator[None]:
        """Where there is no terminal, print a line each minute while the block runs."""
        if self.in_terminal:
            yield
            return
        stop = threading.Event()
        thread = threading.Thread(target=self._print_lines, args=(stop,), name="lossbench-progress", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def finished(
        self, run: RunDirectory, result: Result | None, reason: str | None = None, *, say: bool = True
    ) -> None:
        """Count a run that has ended, with a result or with the reason why it has none, and print its line."""
        self.active.pop(run, None)
        if not self._ended():
            self.first_end, self.first_seconds = time.monotonic(), result.seconds if result else 0.0
        if result is None:
            self.failed[run] = str(reason)
        else:
            self.done += 1
        if say and not self.what:
            self.say(self._line(run, f"failed: {reason}" if result is None else self._score(result)))
        self.bar.update(1)
        self._draw()

    def close(self) -> None:
        """Take the bar away."""
        self.bar.close()

    def _ended(self) -> int:
        return self.done + len(self.failed)

    def _print_lines(self, stop: threading.Event) -> None:
        while not stop.wait(max(0.0, self.printed + LINE_SECONDS - time.monotonic())):
            if time.monotonic() >= self.printed + LINE_SECONDS:
                self.say(self._counted(self._summary()))

    def _summary(self) -> str:
        """How far the sweep is, with the steps of the runs that go on."""
        going = list(self.active)
        found = progress_of(run.path for run in going)
        places = {each.place for each in found.values()}
        where = f" ({places.pop()})" if len(places) == 1 else _mean_place(list(found.values()))
        return self._counts(where, self._seconds_left_with(list(found.values())))

    def _line(self, run: RunDirectory, outcome: str) -> str:
        line = f"{self.labels[run]}  {outcome}"
        if self.in_terminal or self._ended() == self.total:  # the bar shows the counts
            return self._counted(line)
        return self._counted(f"{line}  ({self._counts()})")

    def _counted(self, line: str) -> str:
        self.printed = time.monotonic()
        what = f" {self.what}" if self.what else ""
        return f"[{self._ended():>{len(str(self.total))}}/{self.total}{what}] {line}"

    def _score(self, result: Result) -> str:
        name = self.shown.replace("test/", "val/", 1) if result.trial else self.shown
        value = result.metrics.get(name)
        metric = "" if value is None else f"{name} {value:.4g}  "
        return f"{metric}{result.seconds:.1f} s"

    def _counts(self, where: str = "", seconds_left: float | None = None) -> str:
        left = self.total - self._ended() - self.running
        counts = f"done {self.done}, running {self.running}{where}, failed {len(self.failed)}, left {left}"
        return f"{counts}{to_go(self._seconds_left() if seconds_left is None else seconds_left)}"

    def _seconds_left(self) -> float | None:
        """Seconds to go, at the pace of the runs that have ended."""
        ended = self._ended()
        if not ended:
            return None
        # The first run's time holds the import of torch, which no other run pays.
        pace = (time.monotonic() - self.first_end) / (ended - 1) if ended > 1 else self.first_seconds
        return pace * (self.total - ended)

    def _seconds_left_with(self, going: Sequence[RunProgress]) -> float | None:
        """Seconds to go, at the pace of all steps so far; None where no run says its steps."""
        trained = sum(each.trained for each in going)
        if not trained:
            return None
        left = self.total - self._ended() - sum(1 - each.left for each in going)
        return (time.monotonic() - self.began) / (self._ended() + trained) * left

    def _draw(self) -> None:
        self.bar.set_description_str(f"{self.what}: {self._counts()}" if self.what else self._counts())


def number_of_runs(n: int) -> str:
    """Word a number of runs: 1 run, 2 runs."""
    return f"{n} {'run' if n == 1 else 'runs'}"


def _mean_place(going: Sequence[RunProgress]) -> str:
    """How far several runs are on average; nothing where none says it."""
    if not going:
        return ""
    mean = sum(1 - each.left for each in going) / len(going)
    return f" (on average {100 * mean:.0f} % of their steps)"
