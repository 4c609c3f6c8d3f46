"""A task of a cluster: the runs of a list as a stack, stopped by a signal and queued again."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import torch
from run_files import assert_same, result_of

from lossbench.errors import Stopped, UserError
from lossbench.rundir.directory import RunDirectory
from lossbench.rundir.progress_file import ProgressFile
from lossbench.vectorized.launch.task import run_task
from lossbench.vectorized.memory import Limits

Planned = Callable[..., RunDirectory]


@pytest.fixture
def scontrol(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A controller that says that job 17_3 runs; its calls are written to the file that is returned."""
    program = tmp_path / "bin" / "scontrol"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\necho JobId=20 JobState=RUNNING Restarts=0\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    for name, value in {"JOB_ID": "20", "ARRAY_JOB_ID": "17", "ARRAY_TASK_ID": "3"}.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    return tmp_path / "calls"


def written(runs: list[RunDirectory], listed: Path) -> Path:
    listed.write_text("".join(f"{run.path}\n" for run in runs))
    listed.with_suffix(".sh").touch()
    return listed


def planned_in(folder: str, planned: Planned) -> list[RunDirectory]:
    words = ("data=digits", "model=linear", "trainer.max_steps=12", "trainer=cpu", f"study={folder}")
    return [planned(*words, f"loss={loss}", f"seed={seed}") for loss in ("power", "cosine_xent") for seed in range(2)]


def test_a_stack_that_is_queued_again_ends_as_one_that_was_not_stopped(
    planned: Planned, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scontrol: Path, default_signals: None
) -> None:
    whole, stopped = planned_in("whole", planned), planned_in("stopped", planned)
    run_task(written(whole, tmp_path / "whole0.txt"))
    listed, update = written(stopped, tmp_path / "stack3.txt"), ProgressFile.update

    def asked_to_stop(self: ProgressFile, step: int) -> None:
        if step == 5:
            os.kill(os.getpid(), signal.SIGUSR1)
        update(self, step)

    monkeypatch.setattr(ProgressFile, "update", asked_to_stop)
    with pytest.raises(Stopped) as raised:
        run_task(listed)
    assert raised.value.line == "stopped at step 5 of 12: asked to stop: SIGUSR1; job 20 is queued again"
    assert scontrol.read_text().splitlines() == ["show job -o 20", "requeue 20"]
    for run in stopped:
        found = run.status["status"], run.status["reason"], run.status["job"]
        assert found == ("preempted", raised.value.line, "17_3")
    monkeypatch.setattr(ProgressFile, "update", update)
    run_task(listed)
    for ours, theirs in zip(stopped, whole, strict=True):
        assert (ours.status["status"], result_of(ours).resumed_at) == ("done", 5)
        assert_same(ours, theirs)
    assert not list(tmp_path.rglob("*.ckpt.tmp"))


def test_a_signal_before_the_stack_begins_is_settled_for_all_runs(
    planned: Planned, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scontrol: Path, default_signals: None
) -> None:
    runs = planned_in("early", planned)
    monkeypatch.setattr(
        "lossbench.vectorized.launch.task.check_allocation", lambda run: os.kill(os.getpid(), signal.SIGTERM)
    )
    (tmp_path / "bin" / "scontrol").write_text("#!/bin/sh\necho JobId=20 JobState=COMPLETING Restarts=0\n")
    with pytest.raises(Stopped):
        run_task(written(runs, tmp_path / "stack0.txt"))
    for run in runs:
        assert run.status["status"] == "cancelled"
        assert run.status["reason"].endswith(f"sbatch {tmp_path}/stack0.sh goes on from here")


def test_a_stack_takes_half_of_the_jobs_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu, without = torch.device("cpu"), Limits().budget(torch.device("cpu"))
    monkeypatch.setenv("SLURM_MEM_PER_NODE", "1500")
    used = psutil.Process().memory_info().rss
    assert Limits().budget(cpu) == pytest.approx(0.5 * max(1.5e9 - used, 0), abs=2e7)
    monkeypatch.setenv("SLURM_MEM_PER_NODE", "0")  # all that the node has
    assert Limits().budget(cpu) > without / 2


@pytest.mark.parametrize(("text", "mentions"), [(None, "cannot be read"), ("", "names no run")])
def test_a_list_without_runs_is_one_line(tmp_path: Path, text: str | None, mentions: str) -> None:
    if text is not None:
        (tmp_path / "stack0.txt").write_text(text)
    with pytest.raises(UserError, match=mentions):
        run_task(tmp_path / "stack0.txt")
