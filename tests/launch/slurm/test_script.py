"""The files for sbatch."""

import subprocess
from dataclasses import replace
from pathlib import Path

from records import config_with

from lossbench.launch.slurm.resources import Resources
from lossbench.launch.slurm.script import array_script, job_script

ONE = config_with(("trainer.accelerator", "auto")).trainer


def options(text: str) -> set[str]:
    return {line.removeprefix("#SBATCH ") for line in text.splitlines() if line.startswith("#SBATCH ")}


def test_tasks_nodes_and_gpus_follow_from_the_run(tmp_path: Path) -> None:
    trainer = replace(ONE, devices=4, num_nodes=2, accelerator="gpu")
    found = options(job_script(tmp_path, Resources(partition="a100", time="2-12", memory_gb=1.5), trainer))
    assert {"--nodes=2", "--ntasks-per-node=4", "--gres=gpu:4"} <= found
    assert {"--partition=a100", "--time=2-12", "--mem=1500M", f"--output={tmp_path}/slurm.log"} <= found
    assert {"--signal=USR1@120", "--requeue", "--open-mode=append"} <= found
    assert not any("--gres" in option for option in options(job_script(tmp_path, Resources(), ONE)))
    assert "--gres=gpu:1" in options(job_script(tmp_path, Resources(gpus=1), ONE))
    assert not any("None" in option for option in found)


def test_a_task_of_an_array_runs_its_own_runs_job(tmp_path: Path) -> None:
    """A shell runs the files, paths with a space and a quote included; srun is a stand-in that prints its words."""
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
    printed = (runs[1] / "slurm.log").read_text().splitlines()
    assert printed[-4:] == ["-m", "lossbench.job", str(runs[1]), "HOME_OF=cats"]
    assert "--kill-on-bad-exit=1" in printed
