"""Which process of a distributed run this is, whoever started it. Torch-free."""

import os
import socket


def is_srun_task() -> bool:
    """Whether srun started this process as one of several tasks."""
    tasks = int(os.environ.get("SLURM_STEP_NUM_TASKS", "1"))
    return tasks > 1 and "SLURM_PROCID" in os.environ and "LOCAL_RANK" not in os.environ


def rank() -> int:
    """This process's rank: 0 for the one that owns the run directory."""
    if is_srun_task():
        return int(os.environ["SLURM_PROCID"])
    return int(os.environ.get("RANK", os.environ.get("LOCAL_RANK", "0")))


def process_name() -> str:
    """Name this process for a message: rank 1 on n2."""
    return f"rank {rank()} on {os.environ.get('SLURMD_NODENAME') or socket.gethostname()}"
