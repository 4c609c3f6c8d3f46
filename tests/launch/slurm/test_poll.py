"""Waiting for SLURM's queue: one run whose files are damaged ends with its reason, the others are waited for."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from conftest import plan_run

from lossbench.launch.progress import SweepProgress
from lossbench.launch.slurm.arrays import JobArrays
from lossbench.launch.slurm.poll import QueuePoll
from lossbench.launch.slurm.queue import Task
from lossbench.launch.slurm.resources import Resources
from lossbench.rundir.directory import RunDirectory


class Arrays(JobArrays):
    """Jobs that have all left the queue, or wait in it for ever."""

    stuck: set[RunDirectory]

    def tasks(self) -> dict[RunDirectory, Task]:
        task = SimpleNamespace(job="1", is_pending=True, never_starts=True, reason="PartitionConfig")
        return {run: cast(Any, task) for run in self.runs if run in self.stuck}


def test_a_damaged_run_ends_with_its_reason_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lossbench.launch.slurm.lost.cancel", lambda job: None)
    runs = [plan_run(tmp_path, "data=toy", f"seed={seed}") for seed in range(4)]
    (runs[0].path / "result.json").write_text("{}")
    (runs[1].path / "status.json").write_text("{")
    (runs[2].path / "status.json").write_text("{")
    runs[3].set_status("failed", reason="the cat sat on the keyboard")
    progress, arrays = SweepProgress({run: str(run.path) for run in runs}, runs, "test/accuracy"), Arrays(runs)
    arrays.stuck = {arrays.runs[2]}
    QueuePoll(arrays, arrays.runs, Resources(), progress, 0.01).run()
    reasons = [progress.failed[run] for run in runs]
    assert f"{arrays.runs[0].path}/result.json lacks " in reasons[0]
    for k in (1, 2):
        assert reasons[k].startswith(f"{arrays.runs[k].path}/status.json cannot be read (")
    assert reasons[3] == "the cat sat on the keyboard"
