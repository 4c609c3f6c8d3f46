"""Where runs stand: counted by state, and those that need a look listed with the reason."""

import os
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest
from made_runs import cut_in_half, make_arm, make_run, write

from lossbench.report.records import find_runs
from lossbench.report.survey import survey
from lossbench.rundir.progress import FILE
from lossbench.rundir.progress_file import ProgressFile, stack_progress


def lines(folder: Path, most: int = 20) -> list[str]:
    return survey(find_runs([folder]), most).split("\n")


def lock(path: Path, pid: int) -> None:
    started = psutil.Process(pid).create_time() if psutil.pid_exists(pid) else 0
    write(path / "lock.json", {"token": "x", "host": socket.gethostname(), "pid": pid, "process_started": started})


def test_states_are_counted_and_what_needs_no_look_is_not_listed(tmp_path: Path) -> None:
    make_arm(tmp_path / "study", "power", [0.9, 0.8])
    make_run(tmp_path / "study", "power", 2, state="planned")
    assert lines(tmp_path) == ["3 runs: 2 done, 1 planned"]


def test_failed_and_invalid_runs_are_listed_with_their_reasons(tmp_path: Path) -> None:
    failed = make_run(tmp_path / "study", "power", 1, state="failed", status={"reason": "the loss became nan"})
    invalid = make_run(tmp_path / "study", "power", 2, state="invalid", status={"reason": "q must be <= 1, got 2"})
    strange = make_run(tmp_path / "study", "power", 3, state="dreaming")
    assert lines(tmp_path) == [
        "3 runs: 1 invalid, 1 failed, 1 dreaming",
        f"  invalid    {invalid}: q must be <= 1, got 2",
        f"  failed     {failed}: the loss became nan",
        f"  dreaming   {strange}",
    ]


def test_a_state_of_a_file_is_written_in_one_line(tmp_path: Path) -> None:
    make_run(tmp_path / "study", "power", 1, state="odd\nforged: line")
    assert lines(tmp_path, 0) == [r"1 run: 1 odd\nforged: line", r"  ... and 1 more odd\nforged: line"]


@pytest.mark.parametrize(("most", "shown"), [(0, 0), (2, 2), (5, 5), (9, 5)])
def test_long_lists_are_cut(tmp_path: Path, most: int, shown: int) -> None:
    for seed in range(5):
        make_run(tmp_path / "study", "power", seed, state="failed")
    found = lines(tmp_path, most)
    assert sum(line.startswith("  failed ") for line in found) == shown
    assert (f"  ... and {5 - shown} more failed" in found) == (shown < 5)


def test_a_running_run_says_since_when_and_where(tmp_path: Path) -> None:
    since = (datetime.now(UTC) - timedelta(minutes=90)).isoformat(timespec="seconds")
    here = make_run(
        tmp_path / "study",
        "power",
        0,
        state="running",
        status={"running": since, "pid": 7, "host": socket.gethostname()},
    )
    lock(here, os.getpid())
    there = make_run(
        tmp_path / "study", "power", 1, state="running", status={"running": since, "pid": 8, "host": "far"}
    )
    write(there / "lock.json", {"token": "x", "host": "far", "pid": 8})
    assert lines(tmp_path) == [
        "2 runs: 2 running",
        f"  running    {here}: since 90 min, process 7",
        f"  running    {there}: since 90 min, process 8 on far",
    ]


@pytest.mark.parametrize("owner", ["dead", "none", "silent"])
def test_a_run_whose_owner_died_without_a_word_is_interrupted(tmp_path: Path, owner: str) -> None:
    path = make_run(tmp_path / "study", state="running")
    if owner == "dead":
        lock(path, 2**22 + 1)  # above the largest process id
    if owner == "silent":
        write(path / "lock.json", {"token": "x", "host": "far", "pid": 8})
        os.utime(path / "lock.json", (0, 0))
    found = lines(tmp_path)
    assert found[0] == "1 run: 1 interrupted"
    assert found[1].startswith(f"  interrupted  {path}")


def test_a_result_decides_whatever_the_status_says(tmp_path: Path) -> None:
    make_run(tmp_path / "study", status={"status": "running"})
    (make_run(tmp_path / "study", seed=1) / "result.json").unlink()
    assert lines(tmp_path) == ["2 runs: 1 done, 1 planned"]


def test_damaged_runs_are_counted_and_named_and_the_others_shown(tmp_path: Path) -> None:
    make_run(tmp_path / "study")
    for seed, name in enumerate(("status.json", "result.json"), 1):
        cut_in_half(make_run(tmp_path / "study", seed=seed) / name)
    found = lines(tmp_path)
    assert found[0] == "3 runs: 1 done, 2 damaged"
    assert [line.split(" cannot be read")[0].rpartition("/")[2] for line in found[1:]] == ["status.json", "result.json"]


def test_where_nothing_is_readable_that_is_said(tmp_path: Path) -> None:
    (make_run(tmp_path / "study") / "status.json").write_text("")
    assert lines(tmp_path)[0] == "1 run: 1 damaged"


def test_running_runs_say_how_far_they_are_alone_and_in_stacks_and_the_killed_where_they_stopped(
    tmp_path: Path,
) -> None:
    study = tmp_path / "study"
    alone, *stacked = (make_run(study, "power", seed, state="running") for seed in range(3))
    killed = make_run(study, "power", 3, state="running")
    for path in (alone, *stacked):
        lock(path, os.getpid())
    for path, steps in (alone, 300), (killed, 50):
        ProgressFile({path / FILE: ()}, steps, 20).write(45)
    stack_progress(stacked, 5000, 100).write(5000)
    places = [line.split("; ")[1] for line in lines(study)[1:]]
    assert places[0].startswith("step 45 of 300, epoch 3 of 15, about ")
    assert places[1:] == [*["step 5,000 of 5,000, epoch 50 of 50, measuring"] * 2, "after step 45 of 50, epoch 3 of 3"]
    for path in study.rglob("progress.json"):
        path.write_text("{")
    assert [line.count("; ") for line in lines(study)[1:]] == [0, 1, 1, 0]
