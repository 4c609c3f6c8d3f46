"""hydra/sweeper=tuned as a user types it: trials, a choice by validation alone, runs with what was chosen."""

import json
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from failing_loss import repair, write_failing_loss
from typed import PATIENCE, assert_one_line, command, start_command

from lossbench.report.looks import read_history
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
    """What was chosen and the scores of the refits, without the clock's figures."""
    kept: dict[Path, Any] = {}
    for path in sorted((runs / "s.tuned").rglob("winners/*.json")):
        kept[path.relative_to(runs)] = re.sub(r'"(seconds|sha256)": [^,\n]*', "", path.read_text())
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


def test_more_replicates_continue_a_plan_and_leave_what_is_there(whole: tuple[Path, str], tmp_path: Path) -> None:
    runs = Path(shutil.copytree(whole[0], tmp_path / "runs"))
    shutil.rmtree(runs / "s.trials")  # winners hold every trial: theirs are needed no more
    before = choices(runs)
    done = tuned(*TWO[:-1], "replicate=range(3)", runs=runs)
    assert (done.returncode, done.stderr) == (0, "")
    assert "trials: 23 runs" in done.stdout  # the twin's first trial is the baseline's
    after, fight = choices(runs), found(runs)
    assert {path: after[path] for path in before} == before
    assert ([*fight.winners], fight.plan.replicates) == ([0, 1, 2], (0, 1))


def test_another_question_needs_a_parent_and_inherits_its_looks(whole: tuple[Path, str], tmp_path: Path) -> None:
    runs = Path(shutil.copytree(whole[0], tmp_path / "runs"))
    other, parent = (*TWO, "search.lr=[1e-3,1]"), found(runs).plan
    done = tuned(*other, runs=runs)
    words = ("asks something else", "optimizer.lr", "0.001", f"parent={parent.hash[:8]}", "study=NAME")
    assert_one_line(done.returncode, done.stderr, *words)
    done = tuned(*other, f"parent={parent.hash[:8]}", runs=runs)
    assert (done.returncode, done.stderr) == (0, "")
    (child,) = (each.plan for each in read_tuned(runs / "s.tuned") if each.plan.hash != parent.hash)
    assert child.parent == parent.hash
    history = read_history(runs / "s.tuned")
    assert history.doubts == []
    assert history.family(parent.row("cross_entropy").digest[:16]) == {row.digest[:16] for row in child.rows[1:]}
    assert tuned(*other, runs=runs).returncode == 0  # it is known now


def test_a_plan_shows_what_would_run_and_writes_nothing(tmp_path: Path) -> None:
    done = tuned("loss=cross_entropy,focal", "search.own=both", "plan=true", runs=tmp_path / "runs")
    assert (done.returncode, done.stderr) == (0, "")
    for words in (
        "2 losses in 3 rows and the baseline's twin, 16 trials of 16 steps in each of 12 replicates (0 to 11)",
        "searched by all: optimizer.lr",
        "focal, own numbers tuned: loss.gamma 0 to 5 (linear)",
        "744 trials",
        "family: 3 comparisons: focal, focal, own numbers tuned, cross_entropy (twin)",
        "decides: ",
    ):
        assert words in done.stdout
    assert not (tmp_path / "runs").exists()


FAILING = ("loss=cross_entropy", "loss.name=failing", "loss._target_=failing.FailingLoss", "hydra/launcher=basic")


@pytest.mark.slow
@pytest.mark.parametrize(("how", "diverges"), [("raise", False), ("diverge", True)])
def test_a_trial_that_diverges_has_an_outcome_and_one_that_fails_has_none(
    how: str, diverges: bool, tmp_path: Path
) -> None:
    runs, env = tmp_path / "runs", write_failing_loss(tmp_path)
    words = (*FAILING, f"+loss.how=never,{how}", "hydra.sweeper.baseline='failing how=never'", "trials=8")
    words = (*words, "replicate=range(2)", "trainer.max_steps=3")
    done = tuned(*words, runs=runs, env=env)
    if diverges:
        assert (done.returncode, done.stderr) == (0, "")
        assert "16 trials diverged, which counts as their outcome" in done.stdout
        row = found(runs).winners[0].rows["failing how=diverge"]
        assert {trial.outcome for trial in row.trials} == {"diverged"}
        assert (row.winner.trial, row.winner.score) == (1, None)
        again = tuned(*words, runs=runs, env=env)  # an outcome is not tried again
        assert "0 to run" in again.stdout.split("refits: ")[1]
        return
    assert_one_line(
        done.returncode, done.stderr, "16 of 46 trials failed", "the same command runs only what is missing"
    )
    assert found(runs).winners == {}
    repair(tmp_path)
    again = tuned(*words, runs=runs, env=env)
    assert (again.returncode, again.stderr) == (0, "")
    assert "30 done already, 16 to run" in again.stdout
    assert "(16 trials" in again.stdout  # the time is that of what is missing
    assert [*found(runs).winners] == [0, 1]


INSTANTS: dict[str, Callable[[Path], bool]] = {
    "in the trials": lambda runs: len([*runs.glob("s.trials/*/*/result.json")]) > 5,
    "at the choice": lambda runs: any(runs.glob("s.tuned/plans/*/winners/*.json")),
    "in the refits": lambda runs: len([*runs.glob("s.tuned/*/*/result.json")]) > 2,
}


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["basic", "vectorized"])
def test_killed_at_any_moment_it_ends_with_the_same_choice_and_scores(
    launcher: str, whole: tuple[Path, str], tmp_path: Path
) -> None:
    runs, words, untouched = tmp_path / "runs", (*TWO, f"hydra/launcher={launcher}"), whole[0]
    if launcher == "basic":
        untouched = tmp_path / "untouched"
        assert tuned(*words, runs=untouched).returncode == 0
    for reached in INSTANTS.values():
        process = start_command(TRAIN, "-m", "hydra/sweeper=tuned", *SMALL, *words, runs=runs)
        limit = time.monotonic() + PATIENCE
        while process.poll() is None and not reached(runs) and time.monotonic() < limit:
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    done = tuned(*words, runs=runs)
    assert (done.returncode, done.stderr) == (0, "")
    assert choices(runs) == choices(untouched)
