"""Which process of a distributed run this is, whoever started it. Torch-free."""

import os
import socket


def in_step() -> bool:
    """Whether srun started this process as one of several tasks."""
    return (
        int(os.environ.get("SLURM_STEP_NUM_TASKS", "1")) > 1
        and "SLURM_PROCID" in os.environ
        and "LOCAL_RANK" not in os.environ
    )


def rank() -> int:
    """This process's rank: 0 for the one that owns the run directory."""
    if in_step():
        return int(os.environ["SLURM_PROCID"])
    return int(os.environ.get("RANK", os.environ.get("LOCAL_RANK", "0")))


def where() -> str:
    """Name this process for a message: rank 1 on n2."""
    return f"rank {rank()} on {os.environ.get('SLURMD_NODENAME') or socket.gethostname()}"
