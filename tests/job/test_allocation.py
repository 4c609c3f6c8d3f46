"""Whether a SLURM job fits the run."""

import socket
from collections.abc import Callable, Mapping

import pytest

from lossbench.errors import UserError
from lossbench.job.allocation import check_allocation
from lossbench.rundir.directory import RunDirectory

STEP = {
    "SLURM_JOB_ID": "7",
    "SLURM_PROCID": "0",
    "SLURM_STEP_NUM_TASKS": "4",
    "SLURM_STEP_NUM_NODES": "2",
    "SLURM_NTASKS_PER_NODE": "2",
}
ALONE = ("trainer=cpu",)
TWO_BY_TWO = ("trainer=cpu", "trainer.devices=2", "trainer.num_nodes=2", "trainer.strategy=ddp")
NEEDS_ONE = "trainer.devices=1 and trainer.num_nodes=1 need srun --nodes=1"


def inside(monkeypatch: pytest.MonkeyPatch, **variables: str) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize(
    ("settings", "changed"),
    [(TWO_BY_TWO, {}), (ALONE, {"SLURM_STEP_NUM_TASKS": "1", "SLURM_STEP_NUM_NODES": "1"})],
    ids=["four tasks", "one task"],
)
def test_an_allocation_that_fits_is_taken(
    planned: Callable[..., RunDirectory],
    monkeypatch: pytest.MonkeyPatch,
    settings: tuple[str, ...],
    changed: Mapping[str, str],
) -> None:
    inside(monkeypatch, **(STEP | changed))
    check_allocation(planned("data=digits", *settings))


@pytest.mark.parametrize(
    ("settings", "changed", "message"),
    [
        (ALONE, {}, f"this SLURM step has 4 tasks on 2 nodes: {NEEDS_ONE}"),
        (TWO_BY_TWO, {"SLURM_STEP_NUM_TASKS": "2"}, "this SLURM step has 2 tasks on 2 nodes"),
        (TWO_BY_TWO, {"SLURM_NTASKS_PER_NODE": "3"}, "this SLURM job has 3 tasks a node"),
        (TWO_BY_TWO, {"SLURM_STEP_NUM_TASKS": "1"}, "trainer.num_nodes=2 needs as many machines: use hydra/launcher="),
        (TWO_BY_TWO, {"MASTER_ADDR": "no-such-host.invalid"}, "MASTER_ADDR=no-such-host.invalid does not resolve"),
        (TWO_BY_TWO, {"MASTER_PORT": "99999"}, "MASTER_PORT=99999 cannot be used"),
    ],
    ids=["tasks for one process", "too few tasks", "tasks a node", "no srun", "host", "port"],
)
def test_an_allocation_that_does_not_fit_is_refused(
    planned: Callable[..., RunDirectory],
    monkeypatch: pytest.MonkeyPatch,
    settings: tuple[str, ...],
    changed: Mapping[str, str],
    message: str,
) -> None:
    run = planned("data=digits", *settings)
    inside(monkeypatch, **(STEP | changed))
    with pytest.raises(UserError) as raised:
        check_allocation(run)
    assert str(raised.value).startswith(message)


def test_a_port_that_is_taken_is_named(planned: Callable[..., RunDirectory], monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("", 0))
        taken.listen()
        inside(monkeypatch, **STEP, MASTER_PORT=str(taken.getsockname()[1]))
        with pytest.raises(UserError, match="cannot be used on"):
            check_allocation(planned("data=digits", *TWO_BY_TWO))
