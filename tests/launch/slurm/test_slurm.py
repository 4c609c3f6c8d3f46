"""Runs on a real SLURM of two nodes: eval "$(scripts/dev_cluster.sh up)" starts one."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, plan_run
from failing_loss import FAILING, write_failing_loss
from run_files import assert_same
from slurm_cluster import SLURM, TRAIN, queued, slurm, until
from slurm_cluster import cluster as cluster
from typed import TYPED, assert_one_line, command

from lossbench.launch.slurm.resources import Resources
from lossbench.launch.slurm.script import job_script
from lossbench.rundir.directory import RunDirectory

pytestmark = [pytest.mark.slurm, pytest.mark.slow, pytest.mark.timeout(400)]
SMALL = ("trainer=cpu", "logger=none")
EPOCH = 480  # steps: so many that a signal hardly ever meets an epoch's end
LONG = (
    *("data=digits", "trainer=cpu", "model.dropout=0.3", "trainer.max_epochs=4", "loss=cosine_xent_head"),
    *(f"data.steps_per_epoch={EPOCH}", "checkpoint.every_n_steps=20", "log_every_n_steps=5"),
)


def submit(run: RunDirectory, *sbatch: str, cpus: int = 1, **more: Any) -> str:
    """Submit one run by hand, as its job.sh says."""
    settings = {"time": "20", "memory_gb": 1, "signal_seconds": 60, **more}
    script = run.path / "job.sh"
    script.write_text(job_script(run.path, Resources(cpus=cpus, sbatch=sbatch, **settings), run.config.trainer))
    return slurm("sbatch", "--parsable", str(script))


def trains(run: RunDirectory, rows: int = 60) -> bool:
    """Whether some epochs have been made."""
    return run.metrics_path.exists() and run.metrics_path.read_bytes().count(b"\n") > rows


def done(run: RunDirectory) -> bool:
    assert run.status["status"] != "failed", run.status
    return run.result() is not None


def resumed_at(run: RunDirectory) -> int:
    result = run.result()
    assert result is not None
    return result.resumed_at


def test_a_sweep_over_two_nodes_equals_the_basic_launchers(tmp_path: Path) -> None:
    words = ("data=digits", "loss=cross_entropy,power", "seed=range(4)", "trainer.max_epochs=2", *SMALL)
    ours = command(TRAIN, *SLURM, *words, runs=tmp_path / "slurm")
    assert (ours.returncode, ours.stderr) == (0, "")
    assert "submitted 8 runs as job " in ours.stdout
    assert "report: " in ours.stdout
    job = ours.stdout.split(" as job ")[1].split()[0]
    known = slurm("scontrol", "show", "job", "-o", job).splitlines()
    assert {word for line in known for word in line.split() if word.startswith("NodeList=")} == {
        "NodeList=n1",
        "NodeList=n2",
    }
    theirs = command(TRAIN, "-m", "hydra/launcher=basic", "hydra.sweeper.report=false", *words, runs=tmp_path / "basic")
    assert theirs.returncode == 0, theirs.stderr
    runs = sorted(path.parent.relative_to(tmp_path / "basic") for path in (tmp_path / "basic").rglob("result.json"))
    assert len(runs) == 8
    for run in runs:
        assert_same(RunDirectory(tmp_path / "slurm" / run), RunDirectory(tmp_path / "basic" / run))
    again = command(TRAIN, *SLURM, *words, runs=tmp_path / "slurm")
    assert again.stdout.startswith("8 runs: 8 done already, 0 to run\n")


def test_no_character_of_a_path_or_a_setting_breaks_a_job(tmp_path: Path) -> None:
    odd = ' it\'s #1 "100%j" \\%a $(touch PWN);touch PWN & ü*?~! '
    runs, here, logs = tmp_path / odd, tmp_path / "here" / odd, tmp_path / "log"
    here.mkdir(parents=True)
    words = ("data=toy", "trainer.max_steps=4", "seed=0,1", *SMALL, f"hydra.launcher.sbatch=['--error={logs}']")
    swept = command(TRAIN, *SLURM, *words, runs=runs, cwd=here)
    assert (swept.returncode, swept.stderr) == (0, "")
    assert len(list(runs.rglob("result.json"))) == 2
    assert all("steps in" in path.read_text() for path in runs.rglob("slurm.log"))
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(("here", "log", odd))
    assert not list(tmp_path.rglob("PWN"))
    broken = command(TRAIN, *SLURM, *words, runs=tmp_path / "x\ntouch PWN\n#", cwd=here)
    assert_one_line(broken.returncode, broken.stderr, "runs_dir must be a path without line breaks")
    assert len(list(tmp_path.iterdir())) == 3


def test_a_run_that_is_interrupted_ends_bit_identical(tmp_path: Path) -> None:
    names = ("whole", "requeued", "signalled", "preempted", "killed")
    runs = {name: plan_run(tmp_path / name, *LONG) for name in names}
    jobs = {name: submit(runs[name], "--nodelist=n1") for name in ("requeued", "signalled", "killed")}
    jobs["preempted"] = submit(runs["preempted"], "--nodelist=n2", cpus=4)
    for name in jobs:
        until(lambda name=name: trains(runs[name]))
    slurm("scontrol", "requeue", jobs["requeued"])
    slurm("scancel", "--signal=USR1", jobs["signalled"])
    os.kill(runs["killed"].status["pid"], signal.SIGKILL)
    slurm("sbatch", "--partition=high", "--nodelist=n2", "--cpus-per-task=4", "--output=/dev/null", "--wrap=sleep 1")
    until(lambda: slurm("scontrol", "show", "job", "-o", jobs["killed"]).count("JobState=FAILED"))
    submit(runs["killed"], "--nodelist=n1")
    submit(runs["whole"], "--nodelist=n1")
    for name in names:
        until(lambda name=name: done(runs[name]))
    for name in names[1:]:
        assert resumed_at(runs[name]) > 0
        assert_same(runs[name], runs["whole"])
    assert resumed_at(runs["whole"]) == 0
    # what was saved at the signal is inside an epoch: no epoch's end was waited for
    assert resumed_at(runs["signalled"]) % EPOCH


def test_two_nodes_that_are_interrupted_end_as_they_do_alone(tmp_path: Path) -> None:
    words = (*LONG, "trainer.num_nodes=2", "trainer.strategy=ddp", "trainer.max_epochs=1", "loss=cross_entropy")
    whole, stopped = (plan_run(tmp_path / name, *words) for name in ("whole", "stopped"))
    submit(whole)
    job = submit(stopped)
    until(lambda: trains(stopped))
    slurm("scancel", "--signal=USR1", job)
    for run in (whole, stopped):
        until(lambda run=run: done(run))
    assert 0 < resumed_at(stopped) < EPOCH
    assert_same(stopped, whole)


def test_a_rank_that_fails_ends_the_job_and_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in write_failing_loss(tmp_path).items():
        monkeypatch.setenv(name, value)
    monkeypatch.syspath_prepend(str(tmp_path))
    words = (
        "data=digits",
        "trainer=cpu",
        "trainer.num_nodes=2",
        "trainer.strategy=ddp",
        *FAILING,
        "+loss.how='raise on rank 1'",
    )
    run = plan_run(tmp_path / "runs", *words)
    began = time.monotonic()
    job = submit(run)
    until(lambda: slurm("scontrol", "show", "job", "-o", job).count("JobState=FAILED"), 90)
    assert time.monotonic() - began < 90  # start-up included
    assert run.status["status"] == "failed"
    assert run.status["reason"] == "rank 1 on n2: RuntimeError: only rank 1 has a cat"
    assert "rank 1 on n2: RuntimeError: only rank 1 has a cat" in (run.path / "slurm.log").read_text()


def test_what_is_cancelled_stays_cancelled_and_goes_on_by_hand(tmp_path: Path) -> None:
    whole, stopped = (plan_run(tmp_path / name, *LONG, "trainer.max_epochs=2") for name in ("whole", "stopped"))
    job = submit(stopped)
    until(lambda: trains(stopped))
    slurm("scancel", job)
    until(lambda: not queued())
    assert stopped.result() is None
    assert stopped.status["status"] == "cancelled"
    assert f"job {job} was cancelled" in stopped.status["reason"]
    time.sleep(6)  # a job that is queued again could start by now
    assert not queued()
    slurm("sbatch", str(stopped.path / "job.sh"))
    submit(whole)
    for run in (stopped, whole):
        until(lambda run=run: done(run))
    assert resumed_at(stopped) > 0
    assert_same(stopped, whole)


def test_a_run_that_stops_while_the_controller_is_away_is_queued_again_when_it_is_back(tmp_path: Path) -> None:
    run = plan_run(tmp_path, *LONG, "trainer.max_epochs=2")
    job = submit(run, signal_seconds=100)
    until(lambda: trains(run))
    (pid_file,) = re.findall(r"SlurmctldPidFile\s*=\s*(\S+)", slurm("scontrol", "show", "config"))
    os.kill(int(Path(pid_file).read_text()), signal.SIGTERM)
    try:
        os.kill(run.status["pid"], signal.SIGUSR1)
        until(lambda: run.status["status"] == "preempted")
        assert f"unless squeue lists job {job}, sbatch {run.path}/job.sh goes on from here" in run.status["reason"]
    finally:
        until(lambda: subprocess.run(["slurmctld"], check=False).returncode == 0)
    until(lambda: "is queued again" in run.status.get("reason", "") or done(run))
    until(lambda: done(run))
    assert resumed_at(run) > 0


def test_a_launcher_that_is_killed_attaches_again_and_submits_nothing_twice(tmp_path: Path) -> None:
    words = [
        TRAIN,
        *SLURM,
        "data=digits",
        "seed=range(3)",
        "trainer.max_epochs=40",
        "hydra.sweeper.report=false",
        *SMALL,
    ]
    env = {**TYPED, "LOSSBENCH_RUNS": str(tmp_path)}
    first = subprocess.Popen([sys.executable, *words], cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True)
    assert first.stdout is not None
    until(lambda: queued().count("RUNNING") == 3)
    first.kill()
    first.communicate()
    left = command(*words, "hydra.launcher.wait=false", runs=tmp_path)
    assert "3 of 3 runs are in SLURM's queue already" in left.stdout
    assert "submitted" not in left.stdout
    again = command(*words, runs=tmp_path)
    assert (again.returncode, again.stderr) == (0, "")
    assert "submitted" not in again.stdout
    results = [json.loads(path.read_text()) for path in tmp_path.rglob("result.json")]
    assert [result["resumed_at"] for result in results] == [0, 0, 0]
    assert not list(tmp_path.rglob("runs.txt"))


def test_every_way_to_fail_is_named_and_the_sweep_ends(tmp_path: Path) -> None:
    words, env = ("data=toy", "trainer.max_steps=4", *FAILING, *SMALL), write_failing_loss(tmp_path)
    failing = command(TRAIN, *SLURM, *words, "+loss.how=never,raise,exit,sigkill", runs=tmp_path / "runs", env=env)
    assert_one_line(failing.returncode, failing.stderr, "3 of 4 runs failed")
    for how, reason in {
        "raise": "RuntimeError: the cat sat on the keyboard",
        "exit": "called sys.exit(7)",
        "sigkill": "exit code 137 (SIGKILL): out of memory, or by hand",
    }.items():
        line = failing.stdout.split(f"failed: +loss.how={how}: ")[1].splitlines()[0]
        assert reason in line
    refused = command(TRAIN, *SLURM, *words, "hydra.launcher.constraint=quantum", runs=tmp_path / "refused", env=env)
    assert_one_line(refused.returncode, refused.stderr, "1 of 1 runs failed")
    assert "hydra.launcher.constraint=quantum fits no node of partition debug" in refused.stdout
    held = command(TRAIN, *SLURM, *words, "hydra.launcher.sbatch=[--hold]", runs=tmp_path / "held", env=env)
    assert_one_line(held.returncode, held.stderr, "1 of 1 runs failed")
    assert "SLURM would never start job" in held.stdout
    small = command(TRAIN, *SLURM, *words, "hydra.launcher.memory_gb=99", runs=tmp_path / "small", env=env)
    assert "hydra.launcher.memory_gb=64 or less, or null" in small.stdout
    long = command(TRAIN, *SLURM, *words, "hydra.launcher.time=3-00", runs=tmp_path / "long", env=env)
    assert re.search(r"time=3-00.*1-00:00:00", long.stdout)  # SLURM gives one of two reasons
    assert not queued()
