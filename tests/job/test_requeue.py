"""What a signal means in a SLURM job, and when the job is queued again; scontrol is a stand-in."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lossbench.job.requeue import outcome_of, requeue


@pytest.fixture
def scontrol(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Make a stand-in that prints a text; its calls are written to the file that is returned."""

    def make(text: str) -> Path:
        calls, program = tmp_path / "calls", tmp_path / "scontrol"
        calls.touch()
        program.write_text(f'#!/bin/sh\necho "$@" >> {calls}\necho "{text}"\n')
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
        monkeypatch.setenv("SLURM_JOB_ID", "7")
        return calls

    return make


@pytest.mark.parametrize(
    ("text", "restarts", "status", "again"),
    [
        # scancel --signal, the time limit ahead, a preemption
        ("JobId=7 JobState=RUNNING Restarts=0", None, "preempted", True),
        # scontrol requeue
        ("JobId=7 JobState=COMPLETING Restarts=1 ExitCode=0:0", None, "preempted", False),
        ("JobId=7 JobState=COMPLETING Restarts=2 ExitCode=0:0", "1", "preempted", False),
        # scancel
        ("JobId=7 JobState=COMPLETING Restarts=0 ExitCode=0:15", None, "cancelled", False),
        ("JobId=7 JobState=COMPLETING Restarts=1 ExitCode=0:15", "1", "cancelled", False),
        ("", None, "preempted", False),
    ],
    ids=["runs", "requeued", "requeued twice", "cancelled", "cancelled later", "no answer"],
)
def test_slurms_record_of_the_job_says_what_a_signal_means(
    scontrol: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
    text: str,
    restarts: str | None,
    status: str,
    again: bool,
) -> None:
    calls = scontrol(text)
    if restarts is not None:
        monkeypatch.setenv("SLURM_RESTART_COUNT", restarts)
    assert outcome_of("SIGTERM").status == status
    requeue()
    assert ("requeue 7" in calls.read_text().splitlines()) == again


def test_outside_slurm_scontrol_is_not_called(scontrol: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    calls = scontrol("")
    monkeypatch.delenv("SLURM_JOB_ID")
    assert outcome_of("SIGUSR1") == ("preempted", "asked to stop: SIGUSR1")
    requeue()
    assert calls.read_text() == ""
