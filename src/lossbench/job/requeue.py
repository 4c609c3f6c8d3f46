"""What SLURM does with a job after a signal, and how the job is queued again. Torch-free."""

import logging
import os
import subprocess
from typing import NamedTuple

log = logging.getLogger("lossbench")
ANSWER_SECONDS = 20.0  # the controller may be busy


class StopOutcome(NamedTuple):
    """The status of a run that a signal has stopped.

    Args:
        status: preempted where the run goes on later, cancelled where the user has ended it.
        reason: in words.
    """

    status: str
    reason: str


def outcome_of(signal_name: str) -> StopOutcome:
    """Give the status that a signal leads to: on a cluster SLURM knows whether the job goes on."""
    stop = f"asked to stop: {signal_name}"
    if signal_name == "SIGINT":  # a user's Ctrl-C, with or without SLURM
        return StopOutcome("cancelled", stop)
    job = os.environ.get("SLURM_JOB_ID")
    if job is None:
        return StopOutcome("preempted", stop)
    known = show_job(job)
    if not known:
        return StopOutcome("preempted", f"{stop}; SLURM does not answer what becomes of job {job}")
    if known.get("JobState") == "RUNNING":
        return StopOutcome("preempted", f"{stop}; job {job} is queued again")
    if int(known.get("Restarts", "0")) > int(os.environ.get("SLURM_RESTART_COUNT", "0")):
        return StopOutcome("preempted", f"{stop}; SLURM has queued job {job} again")
    hint = "the same command, or sbatch job.sh, goes on from here"
    return StopOutcome("cancelled", f"job {job} was cancelled ({signal_name}); {hint}")


def requeue() -> None:
    """Queue this job again if it still runs; one that is cancelled, or queued again already, is left as it is."""
    job = os.environ.get("SLURM_JOB_ID")
    if job is None or show_job(job).get("JobState") != "RUNNING":
        return
    answer = subprocess.run(["scontrol", "requeue", job], capture_output=True, text=True, check=False)
    if answer.returncode:
        why, hint = answer.stderr.strip(), "sbatch job.sh in the run directory goes on"
        print(f"SLURM does not queue job {job} again ({why}); {hint}", flush=True)


def show_job(job: str) -> dict[str, str]:
    """Read SLURM's record of a job, by key; {} where it has none or does not answer."""
    command = ["scontrol", "show", "job", "-o", job]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=False, timeout=ANSWER_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        log.warning("scontrol show job %s: %s", job, error)
        return {}
    pairs = [word.partition("=") for word in answer.stdout.split() if "=" in word]
    return {key: value for key, _, value in pairs}
