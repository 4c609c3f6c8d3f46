"""SLURM's queue: submit, list, cancel. Accounting is not needed: squeue and scontrol are enough. Torch-free."""

import re
import shutil
import signal
import subprocess
from pathlib import Path
from typing import NamedTuple

from lossbench.errors import UserError, one_line
from lossbench.job.requeue import ANSWER_SECONDS, show_job

# Reasons of pending jobs that never start, unless the job or the cluster is changed.
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
# How the states begin of nodes that take no jobs, as sinfo shortens them.
AWAY = ("down", "drain", "drng", "err", "fail", "fut", "inval", "unk", "pow_dn")


class Task(NamedTuple):
    """One task of a job array, as squeue lists it.

    Args:
        job: its number for scontrol and scancel, e.g. 12_3.
        state: PENDING, RUNNING, COMPLETING, ...
        reason: why it is pending.
    """

    job: str
    state: str
    reason: str

    @property
    def is_pending(self) -> bool:
        """Whether it has not started."""
        return self.state == "PENDING"

    @property
    def never_starts(self) -> bool:
        """Whether it is pending for a reason that does not pass."""
        return self.is_pending and self.reason in NEVER


def require_slurm() -> None:
    """Refuse a machine without SLURM's commands.

    Raises:
        UserError: names what is missing.
    """
    missing = [name for name in ("sbatch", "squeue", "scontrol", "scancel") if shutil.which(name) is None]
    if missing:
        raise UserError(
            f"hydra/launcher=slurm needs SLURM's commands, and {', '.join(missing)} cannot be found here; run it on a "
            "login node of the cluster, or use hydra/launcher=process on this machine (docs/cluster.md says how to try "
            "a SLURM of your own)"
        )


def submit(script: Path) -> str:
    """Submit a script and give the job's number.

    Raises:
        UserError: SLURM refuses it; gives what sbatch printed.
    """
    answer = _run("sbatch", "--parsable", str(script))
    if answer.returncode:
        raise UserError(one_line(answer.stderr.replace("sbatch: error: ", "")))
    return answer.stdout.strip().split(";")[0]


def tasks_of(names: list[str]) -> dict[str, dict[int, Task]]:
    """List the tasks of job arrays that are queued or running: name -> index in the array -> task.

    Raises:
        UserError: squeue fails.
    """
    found: dict[str, dict[int, Task]] = {name: {} for name in names}
    answer = _run("squeue", "--noheader", "--array", f"--name={','.join(names)}", "--format=%j|%F|%K|%T|%r")
    if answer.returncode:
        raise UserError(f"squeue fails: {one_line(answer.stderr)}")
    for line in answer.stdout.splitlines():
        name, job, index, state, reason = line.split("|", 4)
        if name in found and index.isdigit():
            found[name][int(index)] = Task(f"{job}_{index}", state, reason.strip("()"))
    return found


def sinfo(fields: str) -> list[str]:
    """List every node of every partition with some fields of sinfo; nothing where sinfo fails."""
    answer = _run("sinfo", "--noheader", "--Node", f"--format={fields}")
    return [] if answer.returncode else [line.strip() for line in answer.stdout.splitlines()]


def node_count(partition: str | None) -> int:
    """Count the nodes of a partition that take jobs; 1 where sinfo does not say.

    Args:
        partition: its name; None is the cluster's default.
    """
    nodes = set[str]()
    for line in sinfo("%N|%P|%t"):
        node, name, state = line.split("|")
        wanted = name.endswith("*") if partition is None else name.rstrip("*") in partition.split(",")
        if wanted and not state.startswith(AWAY):
            nodes.add(node)
    return max(len(nodes), 1)


def cancel(*jobs: str) -> None:
    """Cancel jobs or tasks for good."""
    if jobs:
        _run("scancel", *jobs)


def ending(job: str) -> str | None:
    """Word SLURM's record of how a job ended; None where there is none any more, or it ended well."""
    known = show_job(job)
    state = known.get("JobState", "")
    if not known or state in ("PENDING", "RUNNING", "COMPLETED"):
        return None
    reason = known.get("Reason", "None")
    why = "" if reason in ("None", "NonZeroExitCode") else f" ({reason})"
    return f"SLURM job {job}: {state.replace('_', ' ').lower()}{why}, {_exit_code(known.get('ExitCode', '0:0'))}"


def _exit_code(text: str) -> str:
    """Word an exit code that scontrol shows as code:signal."""
    code, _, number = text.partition(":")
    signalled = int(number or 0) or max(0, int(code) - 128)  # a shell's code is 128 + signal
    if signalled not in {each.value for each in signal.Signals}:
        return f"exit code {code}"
    hint = ": out of memory, or by hand" if signalled == signal.SIGKILL else ""
    return f"exit code {code} ({signal.Signals(signalled).name}){hint}"


def largest_array() -> int:
    """Read how many tasks a job array of this cluster may have."""
    found = re.search(r"MaxArraySize\s*=\s*(\d+)", _run("scontrol", "show", "config").stdout)
    return max(1, int(found[1]) - 1) if found else 1000


def _run(*words: str) -> subprocess.CompletedProcess[str]:
    seconds = 6 * ANSWER_SECONDS
    try:
        return subprocess.run(words, capture_output=True, text=True, check=False, timeout=seconds)
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(words, 1, "", f"no answer within {seconds:.0f} s")
    except OSError as error:
        return subprocess.CompletedProcess(words, 1, "", one_line(error))
