"""hydra/sweeper=tuned as a user types it: trials, a choice by validation alone, runs with what was chosen."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from typed import command

from lossbench.rundir.directory import RunDirectory
from lossbench.tuning.points import points
from lossbench.tuning.study import Tuned, read_tuned

TRAIN = str(ROOT / "train.py")
SMALL = ("data=digits", "model=linear", "trainer.max_epochs=1", "study=s", "hydra.sweeper.report=false")
TWO = ("loss=cross_entropy,power", "trials=8", "replicate=range(2)")


def tuned(*words: str, runs: Path, **options: Any) -> subprocess.CompletedProcess[str]:
    return command(TRAIN, "-m", "hydra/sweeper=tuned", *SMALL, *words, runs=runs, **options)


def found(runs: Path) -> Tuned:
    (only,) = read_tuned(runs / "s.tuned")
    return only


def choices(runs: Path) -> dict[Path, Any]:
    """What was chosen, and the scores of the refits, without the clock's figures."""
    kept: dict[Path, Any] = {}
    for path in sorted((runs / "s.tuned").rglob("winners/*.json")):
        text = re.sub(r'"(seconds|sha256)": [^,\n]*', "", path.read_text())
        kept[path.relative_to(runs)] = text
    for path in sorted((runs / "s.tuned").rglob("result.json")):
        kept[path.relative_to(runs)] = json.loads(path.read_text())["metrics"]
    return kept


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A fair fight that nothing stopped, and what it printed."""
    runs = tmp_path_factory.mktemp("whole")
    done = tuned(*TWO, runs=runs)
    assert (done.returncode, done.stderr) == (0, "")
    return runs, done.stdout


def test_trials_are_the_points_and_the_best_are_tested(whole: tuple[Path, str]) -> None:
    runs, _ = whole
    fight = found(runs)
    assert [row.name for row in fight.plan.rows] == ["cross_entropy", "power", "cross_entropy (twin)"]
    for replicate, winners in fight.winners.items():
        for row in fight.plan.rows:
            trials = winners.rows[row.name].trials
            drawn = points(row.space, row.default, 8, replicate, row.scramble)
            assert [trial.settings for trial in trials] == drawn
            for trial in trials:
                result = RunDirectory(runs / "s.trials" / trial.run).result()
                assert result is not None
                assert (result.trial, result.metrics["val/accuracy"]) == (True, trial.score)
                assert not any(name.startswith("test/") for name in result.metrics)
            best = max(trials, key=lambda trial: (trial.score, -(trial.nll or 0.0)))
            assert winners.rows[row.name].winner == best
            _check_refits(runs, winners.rows[row.name].refits, trials, replicate)
    assert [*fight.winners] == [0, 1]


def _check_refits(runs: Path, refits: Any, trials: Any, replicate: int) -> None:
    """A refit is what one would type by hand: the settings and the replicate, another seed than the trials'."""
    for number, folder in refits.items():
        result = RunDirectory(runs / "s.tuned" / folder / f"replicate{replicate}").result()
        assert result is not None
        assert result.params["optimizer.lr"] == trials[number - 1].settings["optimizer.lr"]
        assert (result.seed, result.trial) == (replicate, False)
        assert "test/accuracy" in result.metrics


def test_the_same_command_again_does_nothing(whole: tuple[Path, str]) -> None:
    runs, first = whole
    before = {path: path.stat().st_mtime_ns for path in runs.rglob("*") if path.is_file()}
    again = tuned(*TWO, runs=runs)
    assert (again.returncode, again.stderr) == (0, "")
    assert {path: path.stat().st_mtime_ns for path in runs.rglob("*") if path.is_file()} == before
    (plan,) = re.findall(r"^plan ([0-9a-f]{64}): 2 losses and the baseline's twin, 8 trials", first, re.MULTILINE)
    assert plan == found(runs).plan.hash
    assert plan in again.stdout
