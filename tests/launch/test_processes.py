"""hydra/launcher=process as a user types it."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import ROOT, plan_run
from moods import CAT, moody
from run_files import assert_same, result_of
from typed import TYPED, assert_one_line, command

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
    words = ("data=toy", "trainer.max_steps=4", *CAT, "+loss.mood=range(5)")
    done = command(TRAIN, *PROCESS, *words, runs=tmp_path / "runs", env=moody(tmp_path))
    assert_one_line(done.returncode, done.stderr, "4 of 5 runs failed")
    reasons = {
        1: "RuntimeError: the cat sat on the keyboard",
        2: "called sys.exit(7)",
        3: "killed by SIGKILL: out of memory, or by hand",
        4: "MemoryError",
    }
    for mood, reason in reasons.items():
        line, place = done.stdout.split(f"failed: +loss.mood={mood}: ")[1].splitlines()[:2]
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
    ours, theirs = (
        RunDirectory(next(iter((tmp_path / where).rglob("seed1/result.json"))).parent) for where in ("runs", "alone")
    )
    assert_same(ours, theirs)


@pytest.mark.slow
def test_a_process_that_fails_is_named_by_its_rank(tmp_path: Path) -> None:
    done = command(
        TRAIN,
        *PROCESS,
        "data=digits",
        "trainer=ddp_cpu",
        *CAT,
        "+loss.mood=5",
        runs=tmp_path / "runs",
        env=moody(tmp_path),
    )
    assert_one_line(done.returncode, done.stderr, "1 of 1 runs failed")
    reason = done.stdout.split("failed: ")[1].splitlines()[0]
    assert reason.startswith("rank 1 on ")
    assert reason.endswith(": RuntimeError: only the second has a cat")


@pytest.mark.slow
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_a_launcher_that_is_stopped_lets_its_runs_save(tmp_path: Path, sign: signal.Signals) -> None:
    words = (
        *PROCESS,
        "data=digits",
        "trainer.max_epochs=100",
        "checkpoint.every_n_steps=5",
        "model.dropout=0.3",
        "seed=0,1",
    )
    env = {**TYPED, "LOSSBENCH_RUNS": str(tmp_path / "runs")}
    process = subprocess.Popen([sys.executable, TRAIN, *words], cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True)
    end = time.monotonic() + 120
    while (
        len([path for path in tmp_path.rglob("metrics.csv") if path.stat().st_size > 2000]) < 2
        and time.monotonic() < end
    ):
        time.sleep(0.1)
    process.send_signal(sign)
    out, _ = process.communicate(timeout=90)
    assert "stopped with 2 of 2 runs to go" in out
    wanted = {signal.SIGINT: (130, "cancelled"), signal.SIGTERM: (143, "preempted")}[sign]
    states = [json.loads(path.read_text())["status"] for path in (tmp_path / "runs").rglob("status.json")]
    assert (process.returncode, *states) == (wanted[0], wanted[1], wanted[1])
    again = command(TRAIN, *words, runs=tmp_path / "runs")
    assert (again.returncode, again.stderr) == (0, "")
    alone = plan_run(tmp_path / "alone", *words[5:-1], "trainer=cpu")
    subprocess.run([sys.executable, "-m", "lossbench.job", str(alone.path)], check=True, capture_output=True)
    stopped = RunDirectory(next(iter((tmp_path / "runs").rglob("seed0/result.json"))).parent)
    assert result_of(stopped).resumed_at > 0
    assert_same(stopped, alone)


@pytest.mark.parametrize(
    ("words", "mentions"),
    [
        (("hydra/launcher=basic", "data=digits", "trainer=ddp_cpu"), ("trainer.devices=2", "hydra/launcher=process")),
        (
            ("hydra/launcher=vectorized", "data=digits", "trainer=ddp_cpu"),
            ("trainer.devices=2", "hydra/launcher=process"),
        ),
        (
            ("hydra/launcher=process", "hydra.launcher.n_jobs=0"),
            ("hydra.launcher.n_jobs must be a whole number >= 1 or null, got 0",),
        ),
        (
            ("hydra/launcher=process", "trainer=ddp_cpu", "trainer.num_nodes=2", "data=digits"),
            ("trainer.num_nodes=2", "launcher=slurm"),
        ),
        (
            ("hydra/launcher=slurm", "hydra.launcher.time=soon"),
            ("hydra.launcher.time must be a limit such as 04:00:00", "'soon'"),
        ),
        (
            ("hydra/launcher=slurm", "hydra.launcher.wait=maybe"),
            ("hydra.launcher.wait must be true or false, got 'maybe'",),
        ),
        (("hydra/launcher=slurm",), ("needs SLURM's commands", "docs/cluster.md")),
    ],
    ids=["basic", "vectorized", "n_jobs", "nodes", "time", "wait", "no slurm"],
)
def test_a_mistake_is_one_line(tmp_path: Path, words: tuple[str, ...], mentions: tuple[str, ...]) -> None:
    python = Path(sys.executable).parent  # and nothing else: no SLURM
    done = command(TRAIN, "-m", "seed=0,1", *words, runs=tmp_path, env={"PATH": str(python)})
    assert_one_line(done.returncode, done.stderr, *mentions)
