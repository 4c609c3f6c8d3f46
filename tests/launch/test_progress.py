"""The lines of a sweep's progress."""

import io
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stdout

import pytest

from lossbench.launch import progress as progress_module
from lossbench.launch.progress import SweepProgress, number_of_runs
from lossbench.rundir.directory import RunDirectory
from lossbench.rundir.progress import FILE
from lossbench.rundir.progress_file import ProgressFile, stack_progress


def test_every_line_counts_what_is_done_running_failed_and_left(
    planned: Callable[..., RunDirectory], capsys: pytest.CaptureFixture[str]
) -> None:
    runs = [planned("data=digits", f"seed={seed}") for seed in range(4)]
    progress = SweepProgress({run: f"seed={k}" for k, run in enumerate(runs)}, runs, "test/accuracy")
    for run in runs[:3]:
        progress.started(run)
    progress.postponed(runs[2])  # another process has locked the third
    progress.finished(runs[0], None, "the cat")
    progress.finished(runs[1], None, "the dog", say=False)
    progress.started(runs[2])
    progress.finished(runs[2], None, "the cow")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("[1/4] seed=0  failed: the cat  (done 0, running 1, failed 1, left 2, about ")
    assert lines[1].startswith("[3/4] seed=2  failed: the cow  (done 0, running 0, failed 3, left 1, about ")
    progress.started(runs[3])
    progress.finished(runs[3], None, "the hen")
    assert capsys.readouterr().out == "[4/4] seed=3  failed: the hen\n"
    assert progress.failed == dict(zip(runs, ("the cat", "the dog", "the cow", "the hen"), strict=True))


def test_trials_get_no_line_each_and_are_called_so(
    planned: Callable[..., RunDirectory], monkeypatch: pytest.MonkeyPatch
) -> None:
    output = Terminal()
    monkeypatch.setattr(sys, "stdout", output)
    monkeypatch.setattr(progress_module, "LINE_SECONDS", 0.05)
    runs = [planned("data=toy", f"seed={seed}") for seed in range(2)]
    progress = SweepProgress(dict.fromkeys(runs, "a run"), runs, "val/accuracy", "trials")
    progress.in_terminal = False
    progress.finished(runs[0], None, "the cat")
    with progress.line_each_minute():
        assert output.lines(1)[0].startswith("[1/2 trials] done 0, running 0, failed 1, left 1")


def test_counts_in_words() -> None:
    assert [number_of_runs(n) for n in (1, 2)] == ["1 run", "2 runs"]


class Terminal(io.StringIO):
    """An output that says how many lines it has."""

    def lines(self, n: int) -> list[str]:
        limit = time.monotonic() + 20
        while self.getvalue().count("\n") < n and time.monotonic() < limit:
            time.sleep(0.005)
        return self.getvalue().splitlines()


def test_without_a_terminal_a_line_each_minute_says_how_far_the_sweep_is_and_how_long_it_goes_on(
    planned: Callable[..., RunDirectory], monkeypatch: pytest.MonkeyPatch
) -> None:
    output = Terminal()
    monkeypatch.setattr(sys, "stdout", output)
    monkeypatch.setattr(progress_module, "LINE_SECONDS", 0.05)
    runs = [planned("data=toy", f"seed={seed}") for seed in range(4)]
    progress = SweepProgress(dict.fromkeys(runs, "a run"), runs, "test/accuracy")
    progress.in_terminal = False
    progress.began -= 600
    with progress.line_each_minute(), redirect_stdout(io.StringIO()):  # that of a run
        assert output.lines(1)[0] == "[0/4] done 0, running 0, failed 0, left 4"
        for run in runs[:2]:
            progress.started(run)
        stack_progress([run.path for run in runs[:2]], 100, 10).write(50)
        n = len(output.lines(0))
        line = output.lines(n + 2)[-1]
        # two half runs in 10 minutes: two halves and two whole runs are left
        assert line == "[0/4] done 0, running 2 (step 50 of 100, epoch 6 of 10), failed 0, left 2, about 30 min to go"
        ProgressFile({runs[1].path / FILE: ()}, 100, 10).write(70)
        n = len(output.lines(0))
        assert "running 2 (on average 60 % of their steps)" in output.lines(n + 2)[-1]
    n = len(output.lines(0))
    time.sleep(0.15)
    assert len(output.lines(0)) == n


def test_lines_of_runs_take_the_place_of_those_of_the_minute(
    planned: Callable[..., RunDirectory], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress_module, "LINE_SECONDS", 0.3)
    runs = [planned("data=toy", f"seed={seed}") for seed in range(12)]
    progress = SweepProgress(dict.fromkeys(runs, "a run"), runs, "test/accuracy")
    progress.in_terminal = False
    with progress.line_each_minute():
        for run in runs:
            progress.started(run)
            time.sleep(0.05)
            progress.finished(run, None, "the cat")
    assert all("failed: the cat" in line for line in capsys.readouterr().out.splitlines())
