"""What the launcher does with SLURM's answers; SLURM's commands are stand-ins that note what they are asked."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lossbench.errors import UserError
from lossbench.launch.progress import SweepProgress
from lossbench.launch.slurm.launch import _ask_what_to_do, _Queue, run_on_slurm
from lossbench.launch.slurm.script import Resources
from lossbench.rundir.directory import RunDirectory

Planned = Callable[..., RunDirectory]


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Make a command say something."""
    commands, asked = tmp_path / "bin", tmp_path / "asked"
    commands.mkdir()
    asked.touch()
    monkeypatch.setenv("PATH", f"{commands}:/usr/bin:/bin")

    def says(name: str, text: str, code: int = 0) -> Path:
        (tmp_path / f"{name}.says").write_text(f"{text}\n" if text else "")
        where = f"cat {tmp_path / name}.says >&{1 + (code > 0)}"
        (commands / name).write_text(f'#!/bin/sh\necho {name} "$@" >> {asked}\n{where}\nexit {code}\n')
        (commands / name).chmod(0o755)
        return asked

    for name in ("sbatch", "squeue", "scontrol", "scancel"):
        says(name, "")
    return says


def watch_of(runs: list[RunDirectory]) -> SweepProgress:
    return SweepProgress({run: f"seed={k}" for k, run in enumerate(runs)}, runs, "test/accuracy")


def test_what_slurm_has_already_is_not_submitted_again(
    planned: Planned, slurm: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    runs = [planned("data=digits", f"seed={seed}") for seed in range(3)]
    slurm("sbatch", "17;cluster")
    slurm("scontrol", "MaxArraySize = 3")
    asked, progress = slurm("squeue", ""), watch_of(runs)
    run_on_slurm(runs, progress, Resources(), wait=False)
    assert asked.read_text().count("sbatch --parsable ") == 2  # two tasks, which is one below MaxArraySize, and one
    arrays = {
        path.parent.name: path.read_text().splitlines() for path in runs[0].path.parents[1].glob(".slurm/*/runs.txt")
    }
    assert sorted(line for lines in arrays.values() for line in lines) == sorted(
        str(run.path.absolute()) for run in runs
    )
    slurm(
        "squeue",
        "\n".join(f"{name}|17|{k}|PENDING|Resources" for name, lines in arrays.items() for k in range(len(lines))),
    )
    run_on_slurm(runs, progress, Resources(), wait=False)
    assert asked.read_text().count("sbatch --parsable ") == 2
    assert "3 of 3 runs are in SLURM's queue already" in capsys.readouterr().out
    slurm("squeue", "")  # gone without a result: submitted again
    run_on_slurm(runs, progress, Resources(), wait=False)
    assert asked.read_text().count("sbatch --parsable ") == 4


def test_a_queue_that_does_not_answer_submits_nothing(planned: Planned, slurm: Callable[..., Path]) -> None:
    runs = [planned("data=digits")]
    slurm("sbatch", "17")
    run_on_slurm(runs, watch_of(runs), Resources(), wait=False)
    asked = slurm("squeue", "slurm_load_jobs error: Unable to contact slurm controller", 1)
    with pytest.raises(UserError, match=r"^squeue fails: slurm_load_jobs error"):
        run_on_slurm(runs, watch_of(runs), Resources(), wait=False)
    assert asked.read_text().count("sbatch --parsable ") == 1


@pytest.mark.parametrize(
    ("terminal", "answer", "cancelled"), [(False, "c", False), (True, "", False), (True, "c", True)]
)
def test_ctrl_c_leaves_the_jobs_unless_the_user_cancels_them(
    planned: Planned,
    slurm: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    terminal: bool,
    answer: str,
    cancelled: bool,
) -> None:
    run = planned("data=digits")
    slurm("sbatch", "17")
    run_on_slurm([run], watch_of([run]), Resources(), wait=False)
    (array,) = run.path.parents[1].glob(".slurm/lossbench-*")
    asked = slurm("squeue", f"{array.name}|17|0|RUNNING|None")
    for stream in ("stdin", "stderr"):
        monkeypatch.setattr(f"sys.{stream}.isatty", lambda: terminal, raising=False)
    monkeypatch.setattr("builtins.input", lambda question: answer)
    _ask_what_to_do(_Queue([run]))
    assert ("scancel 17_0" in asked.read_text().splitlines()) == cancelled
    assert ("1 run going on without this command" in capsys.readouterr().out) == (not cancelled)


def test_waiting_outlives_a_queue_that_is_away_for_a_while(
    planned: Planned, slurm: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = planned("data=digits")
    slurm("sbatch", "17")
    looks = iter([{}, UserError("squeue fails: away"), UserError("squeue fails: away"), {}, {}])

    def tasks(queue: _Queue) -> dict[RunDirectory, object]:
        found = next(looks)
        if isinstance(found, UserError):
            raise found
        return found

    monkeypatch.setattr(_Queue, "tasks", tasks)
    progress = watch_of([run])
    run_on_slurm([run], progress, Resources(), poll_seconds=0.01)
    assert list(progress.failed.values()) == [
        "SLURM no longer knows job 17_0, and it has left no result; the same command submits it again"
    ]
    assert capsys.readouterr().out.count("squeue fails: away; looking again") == 1
