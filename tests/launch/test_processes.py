"""hydra/launcher=process as a user types it."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from conftest import ROOT, plan_run
from failing_loss import FAILING, write_failing_loss
from run_files import assert_same, result_of
from typed import PATIENCE, assert_one_line, command, start_command, wait_until

from lossbench.errors import UserError
from lossbench.launch import processes
from lossbench.launch.progress import SweepProgress
from lossbench.rundir.directory import RunDirectory

TRAIN = str(ROOT / "train.py")
PROCESS = (
    "-m",
    "hydra/launcher=process",
    "hydra.launcher.n_jobs=2",
    "hydra.sweeper.report=false",
    "logger=none",
    "trainer=cpu",
)


@pytest.mark.slow
def test_what_happens_to_one_run_happens_to_no_other(tmp_path: Path) -> None:
    words, env = ("data=toy", "trainer.max_steps=4", *FAILING), write_failing_loss(tmp_path)
    done = command(
        TRAIN, *PROCESS, *words, "+loss.how=never,raise,exit,sigkill,memory", runs=tmp_path / "runs", env=env
    )
    assert_one_line(done.returncode, done.stderr, "4 of 5 runs failed")
    reasons = {
        "raise": "RuntimeError: the cat sat on the keyboard",
        "exit": "called sys.exit(7)",
        "sigkill": "killed by SIGKILL: out of memory, or by hand",
        "memory": "out of memory: take a smaller data.batch_size",
    }
    for how, reason in reasons.items():
        line, place = done.stdout.split(f"failed: +loss.how={how}: ")[1].splitlines()[:2]
        assert line.startswith(reason)
        status = json.loads((Path(place.strip()) / "status.json").read_text())
        assert (status["status"], status["reason"]) == ("failed", line)
    assert "    RuntimeError: the cat sat on the keyboard" in done.stdout  # the last lines of its log
    assert done.stdout.count("test/accuracy") == 1


@pytest.mark.slow
def test_distributed_runs_side_by_side_equal_each_alone(tmp_path: Path) -> None:
    words = ("data=digits", "trainer=ddp_cpu", "trainer.max_epochs=2")
    done = command(TRAIN, *PROCESS, *words, "seed=0,1", runs=tmp_path / "runs")
    assert (done.returncode, done.stderr) == (0, "")
    alone = command(TRAIN, *words, "logger=none", "seed=1", runs=tmp_path / "alone")
    assert alone.returncode == 0, alone.stderr
    ours, theirs = (next(iter((tmp_path / runs).rglob("seed1/result.json"))).parent for runs in ("runs", "alone"))
    assert_same(RunDirectory(ours), RunDirectory(theirs))


@pytest.mark.slow
def test_a_process_that_fails_is_named_by_its_rank(tmp_path: Path) -> None:
    words, env = ("data=digits", "trainer=ddp_cpu", *FAILING), write_failing_loss(tmp_path)
    done = command(TRAIN, *PROCESS, *words, "+loss.how='raise on rank 1'", runs=tmp_path / "runs", env=env)
    assert_one_line(done.returncode, done.stderr, "1 of 1 runs failed")
    reason = done.stdout.split("failed: ")[1].splitlines()[0]
    assert reason.startswith("rank 1 on ")
    assert reason.endswith(": RuntimeError: only rank 1 has a cat")


LONG = ("data=digits", "trainer.max_epochs=100", "checkpoint.every_n_steps=5", "model.dropout=0.3")


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """A run that nothing stopped."""
    run = plan_run(tmp_path_factory.mktemp("untouched"), "trainer=cpu", *LONG)
    subprocess.run([sys.executable, "-m", "lossbench.job", str(run.path)], check=True, capture_output=True)
    return run


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sign", "code", "status"), [(signal.SIGINT, 130, "cancelled"), (signal.SIGTERM, 143, "preempted")]
)
def test_a_launcher_that_is_stopped_lets_its_runs_save(
    tmp_path: Path, untouched: RunDirectory, sign: signal.Signals, code: int, status: str
) -> None:
    words = (*PROCESS, *LONG, "seed=0,1")
    process = start_command(TRAIN, *words, runs=tmp_path)
    wait_until(lambda: have_rows(tmp_path, runs=2), process)
    process.send_signal(sign)
    out, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == code
    assert "stopped with 2 of 2 runs to go" in out
    assert [json.loads(path.read_text())["status"] for path in tmp_path.rglob("status.json")] == [status, status]
    again = command(TRAIN, *words, runs=tmp_path)
    assert (again.returncode, again.stderr) == (0, "")
    stopped = RunDirectory(next(iter(tmp_path.rglob("seed0/result.json"))).parent)
    assert result_of(stopped).resumed_at > 0
    assert_same(stopped, untouched)


@pytest.mark.slow
def test_ctrl_c_in_the_terminal_of_a_distributed_run_saves_it(tmp_path: Path) -> None:
    words = ("data=digits", "trainer=ddp_cpu", "trainer.max_epochs=200", "logger=none")
    process = start_command(TRAIN, *words, runs=tmp_path, session=True)
    wait_until(lambda: have_rows(tmp_path, runs=1), process)
    os.killpg(process.pid, signal.SIGINT)  # a terminal sends it to the whole group of processes
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    (status,) = (json.loads(path.read_text()) for path in tmp_path.rglob("status.json"))
    assert re.fullmatch(
        r"stopped at step [1-9]\d* of \d+ \(SIGINT\); the same command goes on from there", status["reason"]
    )
    assert err == f"\n{status['reason']}\n"
    assert status["status"] == "cancelled"
    assert not list(tmp_path.rglob("lock.json"))


def have_rows(folder: Path, runs: int) -> bool:
    """Whether so many runs have written some of their history."""
    return len([path for path in folder.rglob("metrics.csv") if path.stat().st_size > 2000]) == runs


PROCESSES, CLUSTER = (f"hydra/launcher={name}" for name in ("process", "slurm"))
N_JOBS = "hydra.launcher.n_jobs must be a whole number >= 1 or null, got 0"
MISTAKES = {
    "n_jobs": ((PROCESSES, "hydra.launcher.n_jobs=0"), (N_JOBS,)),
    "time": ((CLUSTER, "hydra.launcher.time=soon"), ("hydra.launcher.time must be a limit such as 04:00:00", "'soon'")),
    "wait": ((CLUSTER, "hydra.launcher.wait=maybe"), ("hydra.launcher.wait must be true or false, got 'maybe'",)),
    "no slurm": ((CLUSTER,), ("needs SLURM's commands", "docs/cluster.md")),
}


@pytest.mark.parametrize(("words", "mentions"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_line(tmp_path: Path, words: tuple[str, ...], mentions: tuple[str, ...]) -> None:
    python = Path(sys.executable).parent  # and nothing else: no SLURM
    done = command(TRAIN, "-m", "seed=0,1", *words, runs=tmp_path, env={"PATH": str(python)})
    assert_one_line(done.returncode, done.stderr, *mentions)


def test_a_run_whose_status_is_damaged_or_cannot_be_written_fails_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise UserError("cannot write status.json: No space left on device")

    run = plan_run(tmp_path, "data=toy")
    ended = cast(Any, SimpleNamespace(run=run, process=SimpleNamespace(wait=lambda: 1)))
    progress = SweepProgress({run: "seed=0"}, [run], "test/accuracy")
    monkeypatch.setattr("lossbench.rundir.directory.write_alike", full)
    assert processes._report(ended, progress)
    assert progress.failed[run] == "cannot write status.json: No space left on device"
    (run.path / "status.json").write_text("{")
    assert processes._report(ended, progress)
    assert progress.failed[run].startswith(f"{run.path}/status.json cannot be read (")
