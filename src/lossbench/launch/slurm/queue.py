"""SLURM's queue: submit, see, cancel. It needs no accounting: squeue and scontrol are enough."""

import re
import shutil
import signal
import subprocess
from pathlib import Path
from typing import NamedTuple

from lossbench.errors import UserError, one_line
from lossbench.job.requeue import ANSWER_SECONDS, show_job

# Why a job waits for ever, unless somebody changes it or the cluster.
NEVER = (
    "BadConstraints",
    "PartitionNodeLimit",
    "PartitionTimeLimit",
    "PartitionConfig",
    "AccountNotAllowed",
    "QOSNotAllowed",
    "InvalidAccount",
    "InvalidQOS",
    "DependencyNeverSatisfied",
    "JobHeldAdmin",
    "JobHeldUser",
    "launch failed requeued held",
    "launch_failed_requeued_held",
    "AssocMaxJobsLimit",
    "QOSMaxCpuPerJobLimit",
    "AssocMaxCpuPerJobLimit",
)


class Task(NamedTuple):
    """One task of a job array, as the queue shows it.

    Args:
        job: what scontrol and scancel call it, e.g. 12_3.
        state: PENDING, RUNNING, COMPLETING, ...
        why: why it waits.
    """

    job: str
    state: str
    why: str


def require_slurm() -> None:
    """Refuse a machine without SLURM's commands.

    Raises:
        UserError: names what is missing.
    """
    missing = [name for name in ("sbatch", "squeue", "scontrol", "scancel") if shutil.which(name) is None]
    if missing:
        raise UserError(
            f"hydra/launcher=slurm needs SLURM's commands, and {', '.join(missing)} cannot be found here; run it on a login node of the "
            "cluster, or use hydra/launcher=process on this machine (docs/cluster.md says how to try a SLURM of your own)"
        )


def submit(script: Path) -> str:
    """Submit a script and give the job's number.

    Raises:
        UserError: SLURM refuses it; says why.
    """
    asked = _ask("sbatch", "--parsable", str(script))
    if asked.returncode:
        raise UserError(f"SLURM refuses {script}: {one_line(asked.stderr).removeprefix('sbatch: error: ')}")
    return asked.stdout.strip().split(";")[0]


def tasks_of(names: list[str]) -> dict[str, dict[int, Task]]:
    """The tasks of job arrays that are queued or running: name -> index in the array -> task.

    Raises:
        UserError: the queue cannot be asked.
    """
    found: dict[str, dict[int, Task]] = {name: {} for name in names}
    asked = _ask("squeue", "--noheader", "--array", f"--name={','.join(names)}", "--format=%j|%F|%K|%T|%r")
    if asked.returncode:
        raise UserError(f"squeue fails: {one_line(asked.stderr)}")
    for line in asked.stdout.splitlines():
        name, job, index, state, why = line.split("|", 4)
        if name in found and index.isdigit():
            found[name][int(index)] = Task(f"{job}_{index}", state, why)
    return found


def cancel(*jobs: str) -> None:
    """Cancel jobs or tasks for good."""
    if jobs:
        _ask("scancel", *jobs)


def ending(job: str) -> str | None:
    """In which words SLURM remembers how a job ended; None once it has forgotten, or where it ended well."""
    known = show_job(job)
    code, _, number = known.get("ExitCode", "0:0").partition(":")
    state = known.get("JobState", "")
    if not known or state in ("PENDING", "RUNNING", "COMPLETED"):
        return None
    signalled = int(number or 0) or max(0, int(code) - 128)  # a shell says 128 + signal
    killed = f" ({signal.Signals(signalled).name})" if signalled in {each.value for each in signal.Signals} else ""
    hint = ": out of memory, or by hand" if signalled == signal.SIGKILL else ""
    why = known.get("Reason", "None")
    reason = "" if why in ("None", "NonZeroExitCode") else f" ({why})"
    return f"SLURM job {job}: {state.replace('_', ' ').lower()}{reason}, exit code {code}{killed}{hint}"


def largest_array() -> int:
    """How many tasks a job array of this cluster may have."""
    found = re.search(r"MaxArraySize\s*=\s*(\d+)", _ask("scontrol", "show", "config").stdout)
    return max(1, int(found[1]) - 1) if found else 1000


def _ask(*words: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(words, capture_output=True, text=True, check=False, timeout=6 * ANSWER_SECONDS)
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(words, 1, "", f"no answer within {6 * ANSWER_SECONDS:.0f} s")
