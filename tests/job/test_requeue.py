"""What a signal means in a SLURM job, and when the job is queued again; scontrol is a stand-in."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lossbench.errors import Stopped
from lossbench.job import requeue as requeue_module
from lossbench.job.requeue import PATIENCE
from lossbench.job.status import record_stop
from lossbench.rundir.directory import RunDirectory

Scontrol = Callable[..., Path]
RUNNING = "echo JobId=7 JobState=RUNNING Restarts=0"
AWAY = "echo 'slurm_load_jobs error: Unable to contact slurm controller (connect failure)' >&2; exit 1"


@pytest.fixture
def scontrol(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scontrol:
    """Make a stand-in from shell lines; its calls are written to the file that is returned."""

    def make(show: str = ":", requeue: str = "") -> Path:
        calls, program = tmp_path / "calls", tmp_path / "scontrol"
        calls.touch()
        case = f"case $1 in show) {show};; *) {requeue or ':'};; esac"
        program.write_text(f'#!/bin/bash\necho "$1" >> {calls}\nasked=$(grep -c show {calls})\n{case}\n')
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
        monkeypatch.setenv("SLURM_JOB_ID", "7")
        monkeypatch.setattr(requeue_module, "RETRY_SECONDS", 0.01)
        return calls

    return make


@pytest.fixture
def run(planned: Callable[..., RunDirectory]) -> RunDirectory:
    return planned("data=digits")


def stopped(run: RunDirectory, signal_name: str = "SIGUSR1") -> dict[str, str]:
    record_stop(run, Stopped(signal_name, "step 5 of 9"))
    return run.status


@pytest.mark.parametrize(
    ("text", "restarts", "status", "again", "says"),
    [
        # scancel --signal, the time limit ahead, a preemption
        ("JobState=RUNNING Restarts=0", None, "preempted", True, "asked to stop: SIGUSR1; job 7 is queued again"),
        # scontrol requeue
        ("JobState=COMPLETING Restarts=1", None, "preempted", False, "SLURM has queued job 7 again"),
        ("JobState=COMPLETING Restarts=2", "1", "preempted", False, "SLURM has queued job 7 again"),
        # scancel
        ("JobState=COMPLETING Restarts=0", None, "cancelled", False, "job 7 was cancelled (SIGUSR1): python -m "),
        ("JobState=COMPLETING Restarts=1", "1", "cancelled", False, "job 7 was cancelled (SIGUSR1): python -m "),
        ("JobState=COMPLETING Reason=TimeLimit", None, "preempted", False, "reached its time limit before it could"),
    ],
    ids=["runs", "requeued", "requeued twice", "cancelled", "cancelled later", "time limit"],
)
def test_slurms_record_of_the_job_says_what_a_signal_means(
    scontrol: Scontrol,
    run: RunDirectory,
    monkeypatch: pytest.MonkeyPatch,
    text: str,
    restarts: str | None,
    status: str,
    again: bool,
    says: str,
) -> None:
    calls = scontrol(f"echo JobId=7 {text}")
    if restarts is not None:
        monkeypatch.setenv("SLURM_RESTART_COUNT", restarts)
    record = stopped(run)
    assert record["status"] == status
    assert record["reason"].startswith("stopped at step 5 of 9: ")
    assert says in record["reason"]
    assert ("requeue" in calls.read_text().split()) == again


def test_a_controller_that_comes_back_is_asked_until_it_answers(scontrol: Scontrol, run: RunDirectory) -> None:
    calls = scontrol(f"if [ $asked -lt 4 ]; then {AWAY}; else {RUNNING}; fi")
    assert stopped(run)["reason"].endswith("job 7 is queued again")
    assert calls.read_text().split() == ["show"] * 4 + ["requeue"]


@pytest.mark.parametrize(
    ("show", "requeue", "why"),
    [
        (AWAY, "exit 1", "SLURM does not answer"),
        (RUNNING, "echo 'Requested operation is presently disabled for job 7' >&2; exit 1", "presently disabled"),
    ],
    ids=["away", "refused"],
)
@pytest.mark.parametrize("script", [True, False])
def test_what_was_not_queued_again_says_so_and_names_the_command(
    scontrol: Scontrol,
    run: RunDirectory,
    monkeypatch: pytest.MonkeyPatch,
    show: str,
    requeue: str,
    why: str,
    script: bool,
) -> None:
    scontrol(show, requeue)
    monkeypatch.setenv(PATIENCE, "0.2")
    if script:
        (run.path / "job.sh").touch()
    record = stopped(run)
    assert record["status"] == "preempted"
    assert "job 7 was not queued again (" in record["reason"]
    assert why in record["reason"]
    command = f"sbatch {run.path}/job.sh" if script else f"python -m lossbench.job {run.path}"
    assert record["reason"].endswith(f": {command} goes on from here")


def test_a_kill_while_slurm_is_asked_leaves_no_promise(
    scontrol: Scontrol, run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    scontrol(RUNNING)
    monkeypatch.setattr("lossbench.job.status.settled", lambda *_: pytest.fail("killed here"))
    with pytest.raises(BaseException, match="killed here"):
        stopped(run)
    reason = f"unless squeue lists job 7, python -m lossbench.job {run.path} goes on from here"
    assert run.status["reason"] == f"stopped at step 5 of 9: asked to stop: SIGUSR1; {reason}"


def test_outside_slurm_scontrol_is_not_called(
    scontrol: Scontrol, run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = scontrol()
    monkeypatch.delenv("SLURM_JOB_ID")
    assert stopped(run, "SIGTERM")["status"] == "preempted"
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    assert stopped(run, "SIGINT")["status"] == "cancelled"  # a user's Ctrl-C
    assert calls.read_text() == ""
