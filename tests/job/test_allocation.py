"""Inside a SLURM job: does it fit the run, and what does a signal mean."""

import socket
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from lossbench.errors import UserError
from lossbench.job.allocation import check_allocation, fate, requeue
from lossbench.rundir.directory import RunDirectory

STEP = {
    "SLURM_JOB_ID": "7",
    "SLURM_PROCID": "0",
    "SLURM_STEP_NUM_TASKS": "4",
    "SLURM_STEP_NUM_NODES": "2",
    "SLURM_NTASKS_PER_NODE": "2",
}
TWO_BY_TWO = ("trainer=cpu", "trainer.devices=2", "trainer.num_nodes=2", "trainer.strategy=ddp")


def inside(monkeypatch: pytest.MonkeyPatch, **variables: str) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize(
    ("settings", "changed", "said"),
    [
        (TWO_BY_TWO, {}, None),
        (("trainer=cpu",), {"SLURM_STEP_NUM_TASKS": "1", "SLURM_STEP_NUM_NODES": "1"}, None),
        (
            ("trainer=cpu",),
            {},
            "this SLURM step has 4 tasks on 2 nodes: trainer.devices=1 and trainer.num_nodes=1 need srun --nodes=1",
        ),
        (TWO_BY_TWO, {"SLURM_STEP_NUM_TASKS": "2"}, "this SLURM step has 2 tasks on 2 nodes"),
        (TWO_BY_TWO, {"SLURM_NTASKS_PER_NODE": "3"}, "this SLURM job has 3 tasks a node"),
        (
            TWO_BY_TWO,
            {"SLURM_STEP_NUM_TASKS": "1"},
            "trainer.num_nodes=2 needs as many machines: use hydra/launcher=slurm",
        ),
        (TWO_BY_TWO, {"MASTER_ADDR": "no-such-host.invalid"}, "MASTER_ADDR=no-such-host.invalid does not resolve"),
        (TWO_BY_TWO, {"MASTER_PORT": "99999"}, "MASTER_PORT=99999 cannot be used"),
    ],
    ids=["fits", "one task", "tasks for one process", "too few tasks", "tasks a node", "no srun", "host", "port"],
)
def test_an_allocation_that_does_not_fit_is_refused(
    planned: Callable[..., RunDirectory],
    monkeypatch: pytest.MonkeyPatch,
    settings: tuple[str, ...],
    changed: Mapping[str, str],
    said: str | None,
) -> None:
    run = planned("data=digits", *settings)
    inside(monkeypatch, **(STEP | changed))
    if said is None:
        check_allocation(run)
    else:
        with pytest.raises(UserError) as raised:
            check_allocation(run)
        assert str(raised.value).startswith(said)


def test_a_port_that_is_taken_is_named(planned: Callable[..., RunDirectory], monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("", 0))
        taken.listen()
        inside(monkeypatch, **STEP, MASTER_PORT=str(taken.getsockname()[1]))
        with pytest.raises(UserError, match="cannot be used on"):
            check_allocation(planned("data=digits", *TWO_BY_TWO))


@pytest.fixture
def scontrol(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """A stand-in that says what it is told to and notes what it is asked."""

    def make(says: str) -> Path:
        asked, program = tmp_path / "asked", tmp_path / "scontrol"
        asked.touch()
        program.write_text(f'#!/bin/sh\necho "$@" >> {asked}\necho "{says}"\n')
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
        monkeypatch.setenv("SLURM_JOB_ID", "7")
        return asked

    return make


@pytest.mark.parametrize(
    ("says", "restarts", "state", "again"),
    [
        (
            "JobId=7 JobState=RUNNING Restarts=0",
            None,
            "preempted",
            True,
        ),  # a user's signal, the time limit ahead, a preemption
        ("JobId=7 JobState=COMPLETING Restarts=1 ExitCode=0:0", None, "preempted", False),  # scontrol requeue
        ("JobId=7 JobState=COMPLETING Restarts=2 ExitCode=0:0", "1", "preempted", False),
        ("JobId=7 JobState=COMPLETING Restarts=0 ExitCode=0:15", None, "cancelled", False),  # scancel
        ("JobId=7 JobState=COMPLETING Restarts=1 ExitCode=0:15", "1", "cancelled", False),
        ("", None, "preempted", False),
    ],
    ids=["runs", "requeued", "requeued twice", "cancelled", "cancelled later", "no answer"],
)
def test_slurm_knows_what_a_signal_means(
    scontrol: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
    says: str,
    restarts: str | None,
    state: str,
    again: bool,
) -> None:
    asked = scontrol(says)
    if restarts is not None:
        monkeypatch.setenv("SLURM_RESTART_COUNT", restarts)
    assert fate("SIGTERM").state == state
    requeue()
    assert ("requeue 7" in asked.read_text().splitlines()) == again


def test_outside_slurm_nobody_is_asked(scontrol: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    asked = scontrol("")
    monkeypatch.delenv("SLURM_JOB_ID")
    assert fate("SIGUSR1") == ("preempted", "asked to stop: SIGUSR1")
    requeue()
    assert asked.read_text() == ""
