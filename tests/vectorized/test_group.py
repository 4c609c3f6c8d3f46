"""Little memory makes several stacks of a group; wrong limits are one line."""

from pathlib import Path

import pytest
from run_files import result_of
from sweeping import VECTORIZED, directories, sweep
from typed import assert_one_line

from lossbench.rundir.directory import RunDirectory


@pytest.mark.slow
def test_little_memory_makes_chunks_that_change_nothing(tmp_path: Path) -> None:
    words = (
        "data=digits",
        "model=mlp",
        "model.hidden=[512]",
        "trainer.max_steps=10",
        "loss=cross_entropy,power",
        "seed=range(6)",
        VECTORIZED,
    )
    whole = sweep(*words, runs=tmp_path / "whole")
    assert "stack: 12 runs" in whole.stdout
    small = sweep(*words, "hydra.launcher.memory_gb=0.01", runs=tmp_path / "small")
    assert small.returncode == 0, small.stderr
    assert "stack (2 of " in small.stdout
    few = sweep(*words, "hydra.launcher.max_runs=5", runs=tmp_path / "few")
    assert "stack (3 of 3): 2 runs" in few.stdout
    for other in ("small", "few"):
        for name, run in directories(tmp_path / other).items():
            mine = result_of(RunDirectory(tmp_path / "whole" / name)).metrics
            assert result_of(run).metrics == pytest.approx(mine, abs=1e-4)


@pytest.mark.parametrize(
    ("words", "mentions"),
    [
        (("hydra.launcher.memory_gb=1e-6",), ("hydra.launcher.memory_gb=1e-06: one run needs about", "give more")),
        (("hydra.launcher.memory_gb=-1",), ("hydra.launcher.memory_gb must be a number > 0",)),
        (("hydra.launcher.max_runs=0",), ("hydra.launcher.max_runs must be a whole number >= 1",)),
        (("hydra.launcher.max_run=2",), ("hydra.launcher.max_run does not exist", "did you mean max_runs?")),
    ],
)
def test_wrong_limits_are_one_line(tmp_path: Path, words: tuple[str, ...], mentions: tuple[str, ...]) -> None:
    done = sweep("data=digits", "seed=0,1", VECTORIZED, *words, runs=tmp_path)
    assert_one_line(done.returncode, done.stderr, *mentions)
