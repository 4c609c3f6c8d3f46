"""What SLURM says of jobs, as far as run directories need it."""

import os
import shutil
import subprocess
import time
from functools import lru_cache

ANSWER_SECONDS = 2.0  # for which an answer of squeue counts: the locks of a stack all name one job
SQUEUE_SECONDS = 60.0  # that squeue may take


def own_job() -> str | None:
    """The SLURM job that this process belongs to, such as 17 or, of an array, 17_3; None outside SLURM."""
    array, task = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    return f"{array}_{task}" if array and task else os.environ.get("SLURM_JOB_ID")


def is_over(job: str) -> bool:
    """Whether SLURM says that a job is over; the own job's id means that it was requeued since."""
    if job == os.environ.get("SLURM_JOB_ID"):
        return True
    if shutil.which("squeue") is None:
        return False
    return asked_slurm(job, int(time.monotonic() / ANSWER_SECONDS))


@lru_cache(maxsize=1024)
def asked_slurm(job: str, now: int) -> bool:
    """Whether squeue lists a job as over; asked once in some seconds: the locks of a stack all name one job.

    Args:
        job: its number.
        now: changes when an answer is too old.
    """
    try:
        asked = subprocess.run(
            ["squeue", "--noheader", f"--jobs={job}", "--format=%T"],
            capture_output=True,
            text=True,
            check=False,
            timeout=SQUEUE_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return False
    if asked.returncode:
        return "Invalid job id" in asked.stderr
    return not set(asked.stdout.split()) & {
        "RUNNING",
        "COMPLETING",
        "CONFIGURING",
        "SUSPENDED",
        "STOPPED",
        "SIGNALING",
        "STAGE_OUT",
    }
