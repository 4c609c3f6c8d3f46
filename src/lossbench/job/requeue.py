"""What SLURM does with a job after a signal, and how the job is queued again. Torch-free."""

import logging
import os
import shlex
import subprocess
import time
from typing import NamedTuple

from lossbench.errors import one_line
from lossbench.rundir.directory import RunDirectory

log = logging.getLogger("lossbench")
ANSWER_SECONDS = 20.0  # the controller may be busy
RETRY_SECONDS = 2.0
MOST_REFUSALS = 3  # of a controller that answers
PATIENCE = "LOSSBENCH_SIGNAL_SECONDS"  # job.sh sets it: so long before its time limit a job is asked to stop


class StopOutcome(NamedTuple):
    """The status of a run that a signal has stopped.

    Args:
        status: preempted where the run goes on later, cancelled where the user has ended it.
        reason: in words.
    """

    status: str
    reason: str


def unsettled(signal_name: str, again: str) -> str:
    """Say what a stop inside a SLURM job leads to as long as SLURM has confirmed nothing."""
    job = os.environ["SLURM_JOB_ID"]
    return f"asked to stop: {signal_name}; unless squeue lists job {job}, {again} goes on from here"


def settled(signal_name: str, again: str) -> StopOutcome:
    """Ask SLURM what becomes of this job, and to queue it again if it still runs; ask again while there is time.

    Args:
        signal_name: of the signal that stopped the job's run or stack, which is saved.
        again: the command that goes on with it.

    Returns:
        What SLURM has confirmed.
    """
    job, stop = os.environ["SLURM_JOB_ID"], f"asked to stop: {signal_name}"
    end, refusals, why = time.monotonic() + float(os.environ.get(PATIENCE, "100")), 0, "SLURM does not answer"
    while refusals < MOST_REFUSALS:
        if known := show_job(job):
            if known.get("JobState") != "RUNNING":
                return _ended(job, known, signal_name, again)
            if (refusal := _refusal(job)) is None:
                return StopOutcome("preempted", f"{stop}; job {job} is queued again")
            refusals, why = refusals + 1, refusal
        if time.monotonic() >= end:
            break
        time.sleep(RETRY_SECONDS)
    return StopOutcome("preempted", f"{stop}; job {job} was not queued again ({why}): {again} goes on from here")


def goes_on(run: RunDirectory) -> str:
    """The command that goes on with a stopped run."""
    script = run.path / "job.sh"
    return shlex.join(["sbatch", str(script)]) if script.exists() else run.start_command


def _ended(job: str, known: dict[str, str], signal_name: str, again: str) -> StopOutcome:
    """Word what SLURM records of a job that it is ending."""
    if int(known.get("Restarts", "0")) > int(os.environ.get("SLURM_RESTART_COUNT", "0")):
        return StopOutcome("preempted", f"asked to stop: {signal_name}; SLURM has queued job {job} again")
    if known.get("Reason") == "TimeLimit":
        stop = f"job {job} reached its time limit before it could be queued again"
        return StopOutcome("preempted", f"{stop}: {again} goes on from here")
    return StopOutcome("cancelled", f"job {job} was cancelled ({signal_name}): {again} goes on from here")


def _refusal(job: str) -> str | None:
    """Ask SLURM to queue a job again; give the reason where it does not."""
    try:
        answer = _scontrol("requeue", job)
    except (OSError, subprocess.TimeoutExpired) as error:
        return one_line(error)
    return one_line(answer.stderr or f"exit code {answer.returncode}") if answer.returncode else None


def show_job(job: str) -> dict[str, str]:
    """Read SLURM's record of a job, by key; {} where it has none or does not answer."""
    try:
        answer = _scontrol("show", "job", "-o", job)
    except (OSError, subprocess.TimeoutExpired) as error:
        log.warning("scontrol show job %s: %s", job, error)
        return {}
    pairs = [word.partition("=") for word in answer.stdout.split() if "=" in word]
    return {key: value for key, _, value in pairs}


def _scontrol(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["scontrol", *words], capture_output=True, text=True, check=False, timeout=ANSWER_SECONDS)
