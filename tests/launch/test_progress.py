"""The lines of a sweep's progress."""

from collections.abc import Callable

import pytest

from lossbench.launch.progress import SweepProgress, number_of_runs
from lossbench.rundir.directory import RunDirectory


def test_every_line_counts_what_is_done_running_failed_and_left(
    planned: Callable[..., RunDirectory], capsys: pytest.CaptureFixture[str]
) -> None:
    runs = [planned("data=digits", f"seed={seed}") for seed in range(4)]
    progress = SweepProgress({run: f"seed={k}" for k, run in enumerate(runs)}, runs, "test/accuracy")
    for run in runs[:3]:
        progress.started(run)
    progress.postponed()  # another process has locked the third
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


def test_counts_in_words() -> None:
    assert [number_of_runs(n) for n in (1, 2)] == ["1 run", "2 runs"]
