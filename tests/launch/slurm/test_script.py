"""The files that sbatch gets."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from lossbench.errors import UserError
from lossbench.launch.slurm.script import Resources, array_script, job_script

ONE = {"devices": 1, "num_nodes": 1, "accelerator": "auto"}


def options(text: str) -> set[str]:
    return {line.removeprefix("#SBATCH ") for line in text.splitlines() if line.startswith("#SBATCH ")}


def test_tasks_nodes_and_gpus_follow_from_the_run(tmp_path: Path) -> None:
    trainer = {"devices": 4, "num_nodes": 2, "accelerator": "gpu"}
    found = options(job_script(tmp_path, Resources(partition="a100", time="2-12", memory_gb=1.5), trainer))
    assert {
        "--nodes=2",
        "--ntasks-per-node=4",
        "--gres=gpu:4",
        "--partition=a100",
        "--time=2-12",
        "--mem=1500M",
    } <= found
    assert {"--signal=USR1@120", "--requeue", "--open-mode=append", f"--output={tmp_path}/slurm.log"} <= found
    assert not any("--gres" in option for option in options(job_script(tmp_path, Resources(), ONE)))
    assert "--gres=gpu:1" in options(job_script(tmp_path, Resources(gpus=1), ONE))
    assert not any("None" in option for option in found)


def test_a_task_of_an_array_runs_its_own_runs_job(tmp_path: Path) -> None:
    """The files are run by a shell, a path with a space and a quote in it included; srun is a stand-in that shows its words."""
    folder, fake = tmp_path / ".slurm" / "it's one", tmp_path / "bin"
    folder.mkdir(parents=True)
    fake.mkdir()
    (fake / "srun").write_text('#!/bin/bash\nfor word in "$@"; do echo "$word"; done\necho "HOME_OF=$HOME_OF"\n')
    (fake / "srun").chmod(0o755)
    runs = [tmp_path / f"run {k}'s" for k in range(3)]
    for run in runs:
        run.mkdir()
        (run / "job.sh").write_text(job_script(run, Resources(setup=["export HOME_OF=cats"]), ONE))
    (folder / "runs.txt").write_text("".join(f"{run}\n" for run in runs))
    text = array_script(folder, "lossbench-1", len(runs), Resources(parallel=2), ONE)
    (folder / "array.sh").write_text(text)
    assert {"--array=0-2%2", "--job-name=lossbench-1"} <= options(text)
    env = {"PATH": f"{fake}:/usr/bin:/bin", "SLURM_ARRAY_TASK_ID": "1"}
    subprocess.run(["bash", str(folder / "array.sh")], env=env, check=True)
    said = (runs[1] / "slurm.log").read_text().splitlines()
    assert said[-4:] == ["-m", "lossbench.job", str(runs[1]), "HOME_OF=cats"]
    assert "--kill-on-bad-exit=1" in said


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[
            ("cpus", 0),
            ("cpus", "4"),
            ("gpus", -1),
            ("gpus", True),
            ("parallel", 0),
            ("memory_gb", 0),
            ("memory_gb", "16G"),
            ("time", "soon"),
        ],
        *[
            ("time", "1h"),
            ("partition", "two words"),
            ("account", ""),
            ("sbatch", "--exclusive"),
            ("sbatch", ["exclusive"]),
        ],
        *[("setup", ["a\nb"]), ("signal_seconds", None)],
    ],
    ids=str,
)
def test_what_sbatch_would_not_understand_is_refused(name: str, value: Any) -> None:
    with pytest.raises(UserError, match=rf"^hydra\.launcher\.{name} must be .*, got "):
        Resources(**{name: value}).check()
