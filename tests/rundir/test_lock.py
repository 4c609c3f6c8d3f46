"""A run directory has one owner, proved with real processes."""

import errno
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import psutil
import pytest

from lossbench.errors import UserError
from lossbench.rundir import lock as lock_module
from lossbench.rundir import slurm_job
from lossbench.rundir.lock import DEAD_AFTER_SECONDS, Lock, all_of, is_alive, read_owner
from lossbench.rundir.reading import DamagedError

HOLD = """
import sys
from pathlib import Path
from lossbench.rundir.reading import DamagedError
from lossbench.rundir.lock import Lock
with Lock(Path(sys.argv[1])):
    print("mine", flush=True)
    sys.stdin.read()
"""
# Everybody waits for the same instant; who wins keeps the lock until all have tried.
RACE = """
import sys, time
from pathlib import Path
from lossbench.rundir.reading import DamagedError
from lossbench.rundir.lock import Lock
from lossbench.errors import UserError
print("ready", flush=True)
time.sleep(max(0, float(sys.stdin.readline()) - time.time()))
try:
    with Lock(Path(sys.argv[1])):
        print("won", flush=True)
        sys.stdin.readline()
except UserError as error:
    print("lost", error, flush=True)
"""


def python(code: str, path: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


@contextmanager
def held(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock."""
    with python(HOLD, path) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "mine\n"
        yield process
        process.kill()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "lock.json"


def make_old(path: Path, age: float) -> None:
    os.utime(path, (time.time() - age, time.time() - age))


def write_lock(path: Path, age: float = 0, **owner: Any) -> None:
    path.write_text(json.dumps({"token": "theirs", "host": "elsewhere", "pid": 1, "process_started": 0.0, **owner}))
    make_old(path, age)


def own(path: Path) -> None:
    with Lock(path) as lock:
        assert read_owner(path) == lock.owner


def test_the_lock_says_whose_it_is_and_goes_with_its_owner(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "42")
    with Lock(path):
        owner = read_owner(path)
        assert (owner["host"], owner["pid"], owner["job_id"]) == (socket.gethostname(), os.getpid(), "42")
        assert owner["process_started"] == psutil.Process().create_time()
    assert os.listdir(path.parent) == []


def test_the_lock_goes_when_the_block_fails(path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), Lock(path):
        raise KeyboardInterrupt
    assert not path.exists()


def test_a_living_owner_is_respected_and_a_killed_ones_lock_taken_over(path: Path) -> None:
    with held(path) as other:
        owner = read_owner(path)
        with pytest.raises(
            UserError, match=rf"{path.parent} is being run by process {other.pid} on .*; wait for it or stop it"
        ):
            own(path)
        assert read_owner(path) == owner
        other.send_signal(signal.SIGKILL)
        while psutil.Process(other.pid).status() != psutil.STATUS_ZOMBIE:  # dead, though nobody has waited for it
            time.sleep(0.01)
        assert read_owner(path) == owner
        own(path)
    assert os.listdir(path.parent) == []


def test_a_second_lock_in_the_same_process_is_refused(path: Path) -> None:
    with Lock(path), pytest.raises(UserError, match=f"process {os.getpid()} "):
        own(path)


def test_a_reused_process_number_does_not_count(path: Path) -> None:
    write_lock(path, host=socket.gethostname(), pid=os.getpid(), process_started=psutil.Process().create_time() - 60)
    own(path)


@pytest.mark.parametrize(
    ("age", "alive"), [(0, True), (DEAD_AFTER_SECONDS - 20, True), (DEAD_AFTER_SECONDS + 20, False)]
)
def test_another_hosts_owner_lives_by_its_heartbeat(path: Path, age: float, alive: bool) -> None:
    write_lock(path, age)
    if alive:
        with pytest.raises(UserError, match="process 1 on elsewhere"):
            own(path)
        assert read_owner(path)["token"] == "theirs"
    else:
        own(path)


def test_the_heart_beats(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock_module, "HEARTBEAT_SECONDS", 0.01)
    utime, failed = os.utime, []

    def fails_once(path: Path) -> None:
        if not failed:
            failed.append(path)
            raise OSError(errno.EIO, "the network file system is away")
        utime(path)

    monkeypatch.setattr(lock_module.os, "utime", fails_once)
    with Lock(path):
        utime(path, (0, 0))
        deadline = time.time() + 600
        while path.stat().st_mtime == 0 and time.time() < deadline:
            time.sleep(0.01)
        assert path.stat().st_mtime > 0


@pytest.mark.parametrize(
    ("says", "code", "job", "alive"),
    [
        ("RUNNING", 0, "1", True),
        ("COMPLETING", 0, "1", True),
        ("PENDING", 0, "1", False),
        ("", 0, "1", False),
        ("slurm_load_jobs error: Invalid job id specified", 1, "1", False),
        ("slurm_load_jobs error: Unable to contact slurm controller", 1, "1", True),
        ("RUNNING", 0, "42", False),  # this very job: it was queued again, so that owner is gone
    ],
)
def test_slurm_says_whether_another_hosts_job_is_over(
    path: Path, monkeypatch: pytest.MonkeyPatch, says: str, code: int, job: str, alive: bool
) -> None:
    write_lock(path, job_id=job)
    program = path.parent / "squeue"
    program.write_text(f'#!/bin/sh\necho "{says}" >&{1 + code}\nexit {code}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{path.parent}:/usr/bin:/bin")
    monkeypatch.setenv("SLURM_JOB_ID", "42")
    slurm_job.asked_slurm.cache_clear()
    assert is_alive(read_owner(path), path) == alive


def test_of_the_locks_of_a_stack_slurm_is_asked_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls, program = path.parent / "calls", path.parent / "squeue"
    program.write_text(f"#!/bin/sh\necho asked >> {calls}\necho COMPLETED\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{path.parent}:/usr/bin:/bin")
    monkeypatch.setattr(slurm_job, "ANSWER_SECONDS", 1e9)
    slurm_job.asked_slurm.cache_clear()
    write_lock(path, job_id="1")
    assert [is_alive(read_owner(path), path) for _ in range(3)] == [False] * 3
    assert calls.read_text().split() == ["asked"]


@pytest.mark.parametrize(
    "text", ["", '{"token": "theirs", "ho', "[]", '{"host": "HERE"}', '{"host": "HERE", "pid": "x"}']
)
def test_a_half_written_lock_is_given_two_seconds_and_then_taken_over(path: Path, text: str) -> None:
    path.write_text(text.replace("HERE", socket.gethostname()))
    if "HERE" not in text:
        with pytest.raises(UserError, match="is being run by"):
            own(path)
        make_old(path, 3)
    own(path)
    assert os.listdir(path.parent) == []


def test_an_owner_that_was_replaced_leaves_its_successors_lock(path: Path) -> None:
    with Lock(path):
        write_lock(path)
    assert read_owner(path)["token"] == "theirs"


def test_a_full_disk_leaves_no_lock(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_space(*args: object) -> NoReturn:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(lock_module.json, "dump", no_space)
    with pytest.raises(UserError, match=r"cannot write .*lock\.json: No space left"):
        own(path)
    assert os.listdir(path.parent) == []


def test_the_folder_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot write .*No such file"):
        own(tmp_path / "missing" / "lock.json")


def test_a_takeover_that_died_half_way_blocks_for_a_while_only(path: Path) -> None:
    write_lock(path, DEAD_AFTER_SECONDS + 20)
    gate = path.with_name("lock.json.theirs")
    gate.touch()
    with pytest.raises(UserError, match="is just being taken over by another process"):
        own(path)
    make_old(gate, DEAD_AFTER_SECONDS + 20)
    own(path)
    assert os.listdir(path.parent) == []


def test_who_is_overtaken_while_taking_over_gives_way(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_lock(path, DEAD_AFTER_SECONDS + 20)
    is_alive = lock_module.is_alive

    def overtaken(owner: dict[str, Any], where: Path) -> bool:
        verdict = is_alive(owner, where)
        write_lock(path, token="faster", pid=7)
        return verdict

    monkeypatch.setattr(lock_module, "is_alive", overtaken)
    with pytest.raises(UserError, match="was just taken over by process 7 on elsewhere"):
        own(path)
    assert read_owner(path)["token"] == "faster"
    assert os.listdir(path.parent) == ["lock.json"]


def leave_lock(path: Path, kind: str) -> None:
    if kind != "none":
        write_lock(path, DEAD_AFTER_SECONDS + 20)
    if kind == "broken":
        path.write_text("{")
        make_old(path, 20)


def read_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def write_line(process: subprocess.Popen[str], text: str) -> None:
    assert process.stdin is not None
    process.stdin.write(f"{text}\n")
    process.stdin.flush()


@pytest.mark.parametrize("locks", ["none", "dead", "broken"])
def test_of_several_at_once_exactly_one_wins(path: Path, locks: str) -> None:
    leave_lock(path, locks)
    racers = [python(RACE, path) for _ in range(6)]
    assert [read_line(racer) for racer in racers] == ["ready\n"] * 6
    at = time.time() + 0.2
    for racer in racers:
        write_line(racer, str(at))
    answers = [read_line(racer) for racer in racers]
    for racer in racers:
        racer.communicate("\n", timeout=600)
        assert racer.returncode == 0
    outcomes = sorted(answer.split()[0] for answer in answers)
    assert (outcomes, os.listdir(path.parent)) == (["lost"] * 5 + ["won"], [])


def test_a_heartbeat_of_the_future_blocks_nothing_without_a_way_out(path: Path) -> None:
    write_lock(path, -3600)
    with pytest.raises(
        DamagedError, match=r"lock\.json has a heartbeat 3600 s in the future.*delete it \(rm "
    ) as caught:
        own(path)
    command = str(caught.value).split("delete it (")[1].split(")")[0]
    assert subprocess.run(["sh", "-c", command], check=False).returncode == 0
    own(path)


def test_a_cut_lock_of_the_future_names_no_machine(path: Path) -> None:
    path.write_text('{"token": ')
    make_old(path, -3600)
    with pytest.raises(DamagedError, match="the clocks of this machine and of another machine differ"):
        own(path)


def test_a_folder_in_the_locks_place_names_the_way_out(path: Path) -> None:
    path.mkdir()
    with pytest.raises(DamagedError, match=r"lock\.json is not a file; delete it \(rm -r ") as caught:
        own(path)
    command = str(caught.value).split("delete it (")[1].split(")")[0]
    assert subprocess.run(["sh", "-c", command], check=False).returncode == 0
    own(path)


@pytest.mark.parametrize("token", ["../../outside", "a/b", "", "x" * 300, 5])
def test_a_token_is_never_part_of_another_place(path: Path, token: object) -> None:
    write_lock(path, DEAD_AFTER_SECONDS + 20, token=token)
    own(path)
    assert os.listdir(path.parent) == []


def taken(folder: Path, count: int) -> list[Lock]:
    """Locks of a stack: the first, and names of its file."""
    locks = [Lock(folder / f"{k}.json") for k in range(count)]
    for lock in locks:
        lock.take(locks[0] if lock is not locks[0] else None)
    return locks


def test_the_locks_of_a_stack_are_one_file_that_each_name_guards(tmp_path: Path) -> None:
    locks = taken(tmp_path, 3)
    assert {lock.path.stat().st_ino for lock in locks} == {locks[0].path.stat().st_ino}
    for lock in locks:
        assert read_owner(lock.path) == locks[0].owner
        with pytest.raises(UserError, match="is being run by process"):
            Lock(lock.path).take(locks[0])
    with all_of(locks):
        assert all(lock.path.exists() for lock in locks)
    assert not list(tmp_path.iterdir())


def test_a_lock_of_a_stack_that_was_replaced_is_left_to_its_successor(tmp_path: Path) -> None:
    locks = taken(tmp_path, 4)
    for k in (0, 2):
        locks[k].path.unlink()
        write_lock(locks[k].path)
    locks[3].path.unlink()
    with all_of(locks):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0.json", "2.json"]


def test_without_hard_links_each_lock_is_a_file_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> NoReturn:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refused)
    locks = taken(tmp_path, 2)
    assert read_owner(locks[1].path)["token"] == locks[1].owner["token"] != locks[0].owner["token"]
    with all_of(locks):
        pass
    assert not list(tmp_path.iterdir())
