"""What the launcher does with SLURM's answers; SLURM's commands are stand-ins that record their calls."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from lossbench.errors import UserError
from lossbench.launch.progress import SweepProgress
from lossbench.launch.slurm.arrays import JobArrays
from lossbench.launch.slurm.launch import offer_to_cancel, run_on_slurm
from lossbench.launch.slurm.resources import Resources
from lossbench.launch.slurm.submit import least_tasks
from lossbench.rundir.directory import RunDirectory
from lossbench.vectorized.launch.divide import in_stacks

Planned = Callable[..., RunDirectory]
Slurm = Callable[..., Path]


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Slurm:
    """Make a command print a text; the calls of all are written to the file that is returned."""
    commands, calls = tmp_path / "bin", tmp_path / "calls"
    commands.mkdir()
    calls.touch()
    monkeypatch.setenv("PATH", f"{commands}:/usr/bin:/bin")

    def prints(name: str, text: str, code: int = 0) -> Path:
        (tmp_path / f"{name}.text").write_text(f"{text}\n" if text else "")
        answer = f"cat {tmp_path / name}.text >&{1 + (code > 0)}"
        (commands / name).write_text(f'#!/bin/sh\necho {name} "$@" >> {calls}\n{answer}\nexit {code}\n')
        (commands / name).chmod(0o755)
        return calls

    for name in ("sbatch", "squeue", "scontrol", "scancel"):
        prints(name, "")
    return prints


def progress_of(runs: list[RunDirectory]) -> SweepProgress:
    return SweepProgress({run: f"seed={k}" for k, run in enumerate(runs)}, runs, "test/accuracy")


def submitted(calls: Path) -> int:
    return calls.read_text().count("sbatch --parsable ")


def tasks_of(study: Path) -> dict[str, str]:
    """Each run, and the line with which squeue lists its task."""
    tasks = {}
    for file in study.glob(".slurm/*/runs.txt"):
        for k, run in enumerate(file.read_text().splitlines()):
            tasks[run] = f"{file.parent.name}|17|{k}|PENDING|Resources"
    return tasks


def test_what_slurm_has_already_is_not_submitted_again(
    planned: Planned, slurm: Slurm, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = [planned("data=digits", f"seed={seed}") for seed in range(3)]
    slurm("sbatch", "17;cluster")
    slurm("scontrol", "MaxArraySize = 3")
    calls, progress = slurm("squeue", ""), progress_of(runs)
    run_on_slurm(runs, progress, Resources(), wait=False)
    assert submitted(calls) == 2  # two tasks, which is one below MaxArraySize, and one
    tasks = tasks_of(runs[0].path.parents[1])
    assert sorted(tasks) == sorted(str(run.path.absolute()) for run in runs)

    slurm("squeue", "\n".join(tasks.values()))
    run_on_slurm(runs, progress, Resources(), wait=False)
    assert submitted(calls) == 2
    assert "3 of 3 runs are in SLURM's queue already" in capsys.readouterr().out

    slurm("squeue", "")  # gone without a result: submitted again
    run_on_slurm(runs, progress, Resources(), wait=False)
    assert submitted(calls) == 4


def test_stacks_are_found_again_and_stay_together(
    planned: Planned, slurm: Slurm, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = [planned("data=digits", f"seed={seed}") for seed in range(5)]
    alone = planned("data=digits", "trainer.precision=bf16-mixed")
    study = runs[0].path.parents[1]
    slurm("sbatch", "17")

    def submit() -> str:
        todo = [run for run in (*runs, alone) if run.result() is None]
        run_on_slurm(todo, progress_of(todo), Resources(), wait=False, divide=in_stacks(3))
        return capsys.readouterr().out

    def lists() -> dict[str, str]:
        return {path.read_text(): path.parent.name for path in study.glob(".slurm/*/stack*.txt")}

    first = submit()
    assert "submitted 5 runs in 2 stacks of at most 3 as job 17 " in first
    assert "tasks of their own, 1 run: trainer.precision=bf16-mixed" in first
    stacks = [[Path(line).name for line in text.splitlines()] for text in lists()]
    assert sorted(stacks) == [["seed0", "seed1", "seed2"], ["seed3", "seed4"]]
    (name,) = set(lists().values())
    commands = [path.read_text().splitlines()[-1] for path in sorted((study / ".slurm" / name).glob("stack*.sh"))]
    assert [line.rpartition("/")[2] for line in commands] == ["stack0.txt", "stack1.txt"]
    assert all(" -m lossbench.vectorized /" in line for line in commands)

    slurm("squeue", f"{name}|17|1|RUNNING|None")  # one stack still runs, the rest is lost
    calls = slurm("sbatch", "18")
    again = submit()
    assert "2 of 6 runs are in SLURM's queue already" in again
    assert "submitted 3 runs in one stack as job 18 " in again
    assert submitted(calls) == 4  # each time an array of stacks and one of the run alone


def test_a_stack_that_is_lost_is_asked_for_once(
    planned: Planned, slurm: Slurm, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = [planned("data=digits", f"seed={seed}") for seed in range(5)]
    slurm("sbatch", "17")
    slurm("scontrol", "JobId=20 JobState=NODE_FAIL ExitCode=0:0 Reason=None")
    calls, progress = slurm("squeue", ""), progress_of(runs)
    run_on_slurm(runs, progress, Resources(), poll_seconds=0.01, divide=in_stacks(500))
    assert set(progress.failed.values()) == {"SLURM job 17_0: node fail, exit code 0"}
    assert all(run.status["status"] == "failed" for run in runs)
    assert calls.read_text().count("scontrol show job -o 17_0") == 1
    said = capsys.readouterr().out
    assert said.count("node fail") == 1
    assert said.count("no output in stack0.log") == 1


@pytest.mark.parametrize(("partition", "count"), [(None, 2), ("big", 1), ("debug,big", 3), ("none", 1)])
def test_a_group_is_shared_by_the_nodes_that_take_jobs(slurm: Slurm, partition: str | None, count: int) -> None:
    slurm("sinfo", "n1|debug*|idle\nn2|debug*|mix\nn2|other|mix\nn3|debug*|drain*\nn4|big|alloc\nn5|big|down")
    assert least_tasks(Resources(partition=partition)) == count
    assert least_tasks(Resources(partition=partition, parallel=7)) == 7


def test_a_queue_that_does_not_answer_submits_nothing(planned: Planned, slurm: Slurm) -> None:
    runs = [planned("data=digits")]
    slurm("sbatch", "17")
    run_on_slurm(runs, progress_of(runs), Resources(), wait=False)
    calls = slurm("squeue", "slurm_load_jobs error: Unable to contact slurm controller", 1)
    with pytest.raises(UserError, match=r"^squeue fails: slurm_load_jobs error"):
        run_on_slurm(runs, progress_of(runs), Resources(), wait=False)
    assert submitted(calls) == 1


@pytest.mark.parametrize(
    ("terminal", "answer", "cancelled"), [(False, "c", False), (True, "", False), (True, "c", True)]
)
def test_ctrl_c_leaves_the_jobs_unless_the_user_cancels_them(
    planned: Planned,
    slurm: Slurm,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    terminal: bool,
    answer: str,
    cancelled: bool,
) -> None:
    run = planned("data=digits")
    slurm("sbatch", "17")
    run_on_slurm([run], progress_of([run]), Resources(), wait=False)
    (array,) = run.path.parents[1].glob(".slurm/lossbench-*")
    calls = slurm("squeue", f"{array.name}|17|0|RUNNING|None")
    monkeypatch.setattr(os, "isatty", lambda descriptor: terminal)
    monkeypatch.setattr("builtins.input", lambda question: answer)
    offer_to_cancel(JobArrays([run]))
    assert ("scancel 17_0" in calls.read_text().splitlines()) == cancelled
    assert ("1 run going on without this command" in capsys.readouterr().out) == (not cancelled)


def test_waiting_outlives_a_queue_that_is_away_for_a_while(
    planned: Planned, slurm: Slurm, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = planned("data=digits")
    slurm("sbatch", "17")
    polls = iter([{}, UserError("squeue fails: away"), UserError("squeue fails: away"), {}, {}])

    def tasks(arrays: JobArrays) -> dict[RunDirectory, object]:
        found = next(polls)
        if isinstance(found, UserError):
            raise found
        return found

    monkeypatch.setattr(JobArrays, "tasks", tasks)
    progress = progress_of([run])
    run_on_slurm([run], progress, Resources(), poll_seconds=0.01)
    assert list(progress.failed.values()) == [
        "SLURM no longer knows job 17_0, and it has left no result; the same command submits it again"
    ]
    assert capsys.readouterr().out.count("squeue fails: away; looking again") == 1
