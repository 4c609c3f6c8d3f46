"""The files for sbatch."""

import os
import random
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from records import config_with

from lossbench.errors import UserError
from lossbench.launch.slurm.resources import Resources
from lossbench.launch.slurm.script import (
    RUN_OF_TASK,
    STACK_OF_TASK,
    array_script,
    directive,
    job_script,
    stack_script,
)

ONE = config_with(("trainer.accelerator", "auto")).trainer
NASTY = (" ", "'", '"', "#", "\\", "%", "%j", "%%", "$(touch PWN)", "`touch PWN`", ";touch PWN;", "&", "|", ">PWN")
ODD = ("*", "?", "~", "!", "{a,b}", "[", "=", ":", "$HOME", "ü", "猫", "-", "a", "\u00a0")


def options(text: str) -> set[str]:
    return {line.removeprefix("#SBATCH ") for line in text.splitlines() if line.startswith("#SBATCH ")}


def names_of_folders() -> list[str]:
    """Names of folders: each odd character at the beginning, at the end and in the middle, then random mixtures."""
    draw = random.Random(0)
    mixed = ["".join(draw.choices((*NASTY, *ODD), k=8)) for _ in range(20)]
    return [*(f"{sign}x{sign}y{sign}" for sign in (*NASTY, *ODD)), *mixed]


def stand_in(folder: Path) -> dict[str, str]:
    """Make a srun that prints its directory, one variable and its words; give the environment that finds it."""
    folder.mkdir(exist_ok=True)
    (folder / "srun").write_text('#!/bin/bash\nprintf "%s\\n" "$PWD" "HOME_OF=$HOME_OF" "$@"\n')
    (folder / "srun").chmod(0o755)
    return {"PATH": f"{folder}:/usr/bin:/bin"}


def write_array(folder: Path, runs: Sequence[Path], resources: Resources) -> Path:
    folder.mkdir(parents=True)
    for run in runs:
        run.mkdir(parents=True, exist_ok=True)
        (run / "job.sh").write_text(job_script(run, resources, ONE))
    (folder / "runs.txt").write_text("".join(f"{run}\n" for run in runs))
    (folder / "array.sh").write_text(array_script(folder, len(runs), resources, ONE, RUN_OF_TASK))
    return folder / "array.sh"


def write_stack(folder: Path) -> Path:
    """The script of an array in which task 7 is a stack."""
    (folder / "stack7.sh").write_text(stack_script(folder / "stack7.txt", Resources(), ONE))
    (folder / "stacks.sh").write_text(array_script(folder, 8, Resources(), ONE, STACK_OF_TASK))
    return folder / "stacks.sh"


def test_tasks_nodes_and_gpus_follow_from_the_run(tmp_path: Path) -> None:
    trainer = replace(ONE, devices=4, num_nodes=2, accelerator="gpu")
    found = options(job_script(tmp_path, Resources(partition="a100", time="2-12", memory_gb=1.5), trainer))
    assert {"--nodes=2", "--ntasks-per-node=4", "--gres=gpu:4"} <= found
    assert {"--partition=a100", "--time=2-12", "--mem=1500M", "--output=/dev/null"} <= found
    assert {"--signal=USR1@120", "--requeue", "--open-mode=append"} <= found
    assert not any("--gres" in option for option in options(job_script(tmp_path, Resources(), ONE)))
    assert "--gres=gpu:1" in options(job_script(tmp_path, Resources(gpus=1), ONE))
    assert not any("None" in option for option in found)


def test_no_character_of_a_path_breaks_a_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each name is a study, a run and the working directory at once; each task runs its own run's job in bash."""
    env, names = stand_in(tmp_path / "bin"), names_of_folders()
    for name in names:
        here = tmp_path / "here" / name
        here.mkdir(parents=True)
        monkeypatch.chdir(here)
        run = tmp_path / "runs" / name / f"{name} run"
        resources = Resources(setup=["export HOME_OF=cats"], parallel=2)
        script = write_array(run.parent / ".slurm" / name / "lossbench-1", [run.parent / "other", run], resources)
        assert {"--array=0-1%2", "--job-name=lossbench-1"} <= options(script.read_text())
        subprocess.run(["bash", script], env={**env, "SLURM_ARRAY_TASK_ID": "1"}, cwd=tmp_path, check=True)
        printed = (run / "slurm.log").read_text().split("\n")
        assert printed[:3] == [str(here), "HOME_OF=cats", "--kill-on-bad-exit=1"]
        assert printed[-4:] == ["-m", "lossbench.job", str(run), ""]
        subprocess.run(["bash", write_stack(script.parent)], env={**env, "SLURM_ARRAY_TASK_ID": "7"}, check=True)
        printed = (script.parent / "stack7.log").read_text().split("\n")
        assert printed[-4:] == ["-m", "lossbench.vectorized", str(script.parent / "stack7.txt"), ""]
    assert sorted(os.listdir(tmp_path)) == ["bin", "here", "runs"]
    assert not list(tmp_path.rglob("PWN"))


@pytest.mark.parametrize("sign", ["\n", "\r", "\t", "\x1b", "\x7f", "\x85", "\u2028"])
def test_a_path_of_several_lines_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sign: str) -> None:
    odd = tmp_path / f"x{sign}touch PWN{sign}#"
    with pytest.raises(UserError, match=r"^runs_dir must be a path without line breaks and control"):
        job_script(odd, Resources(), ONE)
    with pytest.raises(UserError, match=r"^runs_dir must be"):
        array_script(odd, 1, Resources(), ONE, RUN_OF_TASK)
    odd.mkdir()
    monkeypatch.chdir(odd)
    with pytest.raises(UserError, match=r"^the working directory must be a path without") as raised:
        job_script(tmp_path, Resources(), ONE)
    assert sign not in str(raised.value)


def test_an_option_is_quoted_where_sbatch_would_cut_it(tmp_path: Path) -> None:
    assert directive("--mem=1500M") == "--mem=1500M"
    assert directive('--comment=a "b" \\ #c') == '"--comment=a \\"b\\" \\\\ #c"'
    resources = Resources(sbatch=["--comment='one of #2'", "--exclude n1"], constraint="[a*2&b]")
    found = options(job_script(tmp_path, resources, ONE))
    assert {'"--comment=one of #2"', "--exclude", "n1", '"--constraint=[a*2&b]"'} <= found
