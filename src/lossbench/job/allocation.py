"""Whether a SLURM job has the tasks and nodes that a run needs. Torch-free."""

import os
import socket

from lossbench.errors import UserError
from lossbench.job.distributed import is_srun_task, rank
from lossbench.rundir.directory import RunDirectory


def check_allocation(run: RunDirectory) -> None:
    """Refuse an allocation that does not fit the run, before anything is computed in it.

    Raises:
        UserError: names what SLURM has given and what trainer.devices and trainer.num_nodes need.
    """
    devices, nodes = run.config.trainer.devices, run.config.trainer.num_nodes
    srun = f"srun --nodes={nodes} --ntasks-per-node={devices}"
    if is_srun_task():
        _check_step(devices, nodes, f"trainer.devices={devices} and trainer.num_nodes={nodes} need {srun}")
        _check_master_address()
        _check_master_port()
    elif nodes > 1 and "LOCAL_RANK" not in os.environ:
        raise UserError(
            f"trainer.num_nodes={nodes} needs as many machines: use hydra/launcher=slurm, or in a SLURM job "
            f"trainer.devices={devices} and trainer.num_nodes={nodes} need {srun}"
        )


def _check_step(devices: int, nodes: int, needs: str) -> None:
    tasks, hosts = int(os.environ["SLURM_STEP_NUM_TASKS"]), int(os.environ["SLURM_STEP_NUM_NODES"])
    if (tasks, hosts) != (devices * nodes, nodes):
        raise UserError(f"this SLURM step has {tasks} tasks on {hosts} nodes: {needs}")
    per_node = os.environ.get("SLURM_NTASKS_PER_NODE", str(devices))
    if per_node != str(devices):
        raise UserError(f"this SLURM job has {per_node} tasks a node: {needs}")


def _check_master_address() -> None:
    """Processes connect to MASTER_ADDR; without it Lightning takes the job's first node."""
    host = os.environ.get("MASTER_ADDR")
    try:
        socket.getaddrinfo(host or socket.gethostname(), None)
    except OSError as error:
        raise UserError(
            f"MASTER_ADDR={host} does not resolve ({error}); set it to a host that every node can reach"
        ) from error


def _check_master_port() -> None:
    """Rank 0 listens on MASTER_PORT; without it Lightning derives one from the job's number."""
    port = os.environ.get("MASTER_PORT")
    if rank() > 0 or port is None:
        return
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", int(port)))
        except (OSError, ValueError, OverflowError) as error:
            raise UserError(
                f"MASTER_PORT={port} cannot be used on {socket.gethostname()} ({error}); set it to a free one"
            ) from error
