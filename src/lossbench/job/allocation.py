"""Inside a SLURM job: whether it has what the run needs, what becomes of it after a signal, and how to be queued again."""

import logging
import os
import socket
import subprocess
from typing import NamedTuple

from lossbench.errors import UserError
from lossbench.job.distributed import in_step, rank
from lossbench.rundir.directory import RunDirectory

log = logging.getLogger("lossbench")
ASK_SECONDS = 20.0  # the controller may be busy


class Fate(NamedTuple):
    """What becomes of a run that was asked to stop.

    Args:
        state: preempted where it is to go on, cancelled where somebody wants it to end.
        reason: in words.
    """

    state: str
    reason: str


def check_allocation(run: RunDirectory) -> None:
    """Refuse an allocation that does not fit the run, before anything is computed in it.

    Raises:
        UserError: names what SLURM was asked for and what trainer.devices and trainer.num_nodes need.
    """
    devices, nodes = run.config["trainer"]["devices"], run.config["trainer"]["num_nodes"]
    needs = (
        f"trainer.devices={devices} and trainer.num_nodes={nodes} need srun --nodes={nodes} --ntasks-per-node={devices}"
    )
    if in_step():
        tasks, hosts = int(os.environ["SLURM_STEP_NUM_TASKS"]), int(os.environ["SLURM_STEP_NUM_NODES"])
        if (tasks, hosts) != (devices * nodes, nodes):
            raise UserError(f"this SLURM step has {tasks} tasks on {hosts} nodes: {needs}")
        if os.environ.get("SLURM_NTASKS_PER_NODE", str(devices)) != str(devices):
            raise UserError(f"this SLURM job has {os.environ['SLURM_NTASKS_PER_NODE']} tasks a node: {needs}")
        _check_meeting_point()
    elif nodes > 1 and "LOCAL_RANK" not in os.environ:
        raise UserError(
            f"trainer.num_nodes={nodes} needs as many machines: use hydra/launcher=slurm, or in a SLURM job {needs}"
        )


def _check_meeting_point() -> None:
    """Processes meet at a host and a port that Lightning derives from the job."""
    host = os.environ.get("MASTER_ADDR")
    try:
        socket.getaddrinfo(host or socket.gethostname(), None)
    except OSError as error:
        raise UserError(
            f"MASTER_ADDR={host} does not resolve ({error}); set it to a host that every node can reach"
        ) from error
    port = os.environ.get("MASTER_PORT")
    if rank() == 0 and port is not None:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("", int(port)))
            except (OSError, ValueError, OverflowError) as error:
                raise UserError(
                    f"MASTER_PORT={port} cannot be used on {socket.gethostname()} ({error}); set it to a free one"
                ) from error


def fate(signal_name: str) -> Fate:
    """Say what a signal means: on a cluster SLURM knows whether the job is to go on."""
    if "SLURM_JOB_ID" not in os.environ:
        return Fate("preempted", f"asked to stop: {signal_name}")
    job = os.environ["SLURM_JOB_ID"]
    known = show_job(job)
    if known.get("JobState") == "RUNNING":
        return Fate("preempted", f"asked to stop: {signal_name}; job {job} is queued again")
    restarts = int(os.environ.get("SLURM_RESTART_COUNT", "0"))
    if int(known.get("Restarts", "0")) > restarts:
        return Fate("preempted", f"asked to stop: {signal_name}; SLURM has queued job {job} again")
    if not known:
        return Fate("preempted", f"asked to stop: {signal_name}; SLURM does not answer what becomes of job {job}")
    return Fate(
        "cancelled", f"job {job} was cancelled ({signal_name}); the same command, or sbatch job.sh, goes on from here"
    )


def requeue() -> None:
    """Ask SLURM to queue this job again, if it still runs: one that was cancelled, or is queued again already, is left alone."""
    job = os.environ.get("SLURM_JOB_ID")
    if job is None or show_job(job).get("JobState") != "RUNNING":
        return
    asked = subprocess.run(["scontrol", "requeue", job], capture_output=True, text=True, check=False)
    if asked.returncode:
        print(
            f"SLURM does not queue job {job} again ({asked.stderr.strip()}); sbatch job.sh in the run directory goes on",
            flush=True,
        )


def show_job(job: str) -> dict[str, str]:
    """What SLURM knows of a job, by key; {} where it does not know it, or does not answer."""
    try:
        asked = subprocess.run(
            ["scontrol", "show", "job", "-o", job], capture_output=True, text=True, check=False, timeout=ASK_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        log.warning("scontrol show job %s: %s", job, error)
        return {}
    pairs = [word.partition("=") for word in asked.stdout.split() if "=" in word]
    return {key: value for key, _, value in pairs}
