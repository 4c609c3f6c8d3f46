"""The GPUs and threads of runs that go on at a time; the processes are stand-ins that end at once."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from lossbench.errors import Stopped
from lossbench.job import signals
from lossbench.job.signals import SAME_REQUEST_SECONDS, StopSignals
from lossbench.launch import pool as module
from lossbench.launch.pool import Pool
from lossbench.launch.processes import run_in_processes
from lossbench.launch.progress import SweepProgress
from lossbench.rundir.directory import RunDirectory

TWO, FOUR = (("trainer.strategy=ddp", f"trainer.devices={devices}") for devices in (2, 4))
Leases = list[tuple[str, str]]


@pytest.fixture
def leases(monkeypatch: pytest.MonkeyPatch) -> Leases:
    """What each process gets: its GPUs, of three, and its threads, of eight cores."""
    found: Leases = []
    popen = subprocess.Popen

    def start(words: list[str], *, env: dict[str, str] | None = None, **options: Any) -> subprocess.Popen[Any]:
        if env is not None:  # not the platform module, which asks uname for the processor
            found.append((env["CUDA_VISIBLE_DEVICES"], env["OMP_NUM_THREADS"]))
        return popen(words, env=env, **options)

    monkeypatch.setattr(module, "visible_gpus", lambda: ["4", "6", "7"])
    monkeypatch.setattr(module, "cores", lambda most: 8)
    monkeypatch.setattr(module.sys, "executable", "/bin/true")
    monkeypatch.setattr(module.subprocess, "Popen", start)
    return found


def test_no_two_runs_are_given_the_same_gpu(planned: Callable[..., RunDirectory], leases: Leases) -> None:
    settings = (TWO, (), ("trainer=cpu",), FOUR)
    pair, one, cpu, many = (planned("data=digits", f"seed={seed}", *words) for seed, words in enumerate(settings))
    pool = Pool(4)
    pool.start(pair)
    assert not pool.has_room(many)
    pool.start(one)
    assert not pool.has_room(one)
    assert pool.has_room(cpu)
    pool.start(cpu)
    while len(pool.free_gpus) < 3:
        pool.take_ended()
    pool.start(many)  # more than there are: all of them, and the run refuses
    gpus = [gpus for gpus, _ in leases]
    assert gpus[:3] == ["4,6", "7", ""]
    assert set(gpus[3].split(",")) == {"4", "6", "7"}
    assert {threads for _, threads in leases} == {"2"}
    pool.stop(StopSignals())


SAVES_FOR_EVER = """
import signal, time
again = lambda *_: exit(130)
signal.signal(2, lambda *_: (signal.signal(2, again), print(flush=True)))
print(flush=True)
while True: time.sleep(9)
"""


def press_ctrl_c_twice(started: list[subprocess.Popen[bytes]], runs: int) -> None:
    """Once all runs go on, and again once all save."""
    while len(started) < runs:
        time.sleep(0.01)
    for _ in range(2):
        for process in started:
            assert process.stdout is not None
            process.stdout.read(1)
        time.sleep(1.5 * SAME_REQUEST_SECONDS)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)


@pytest.mark.usefixtures("default_signals")
def test_ctrl_c_again_reaches_all_runs(planned: Callable[..., RunDirectory], monkeypatch: pytest.MonkeyPatch) -> None:
    """The first lets them save, which here takes for ever; the second one ends them, and not the launcher."""
    started, killed = list[subprocess.Popen[bytes]](), list[float]()

    def stand_in(*_: object) -> subprocess.Popen[bytes]:
        words = [sys.executable, "-c", SAVES_FOR_EVER]
        started.append(subprocess.Popen(words, stdout=subprocess.PIPE, start_new_session=True))
        return started[-1]

    monkeypatch.setattr(Pool, "_open", stand_in)
    monkeypatch.setattr(signals, "_kill_if_stuck", lambda number, seconds: killed.append(seconds))
    runs = [planned("data=toy", "trainer=cpu", f"seed={seed}") for seed in range(2)]
    user = threading.Thread(target=press_ctrl_c_twice, args=(started, len(runs)))
    user.start()
    with pytest.raises(Stopped, match="130"):
        run_in_processes(runs, SweepProgress(dict.fromkeys(runs, ""), runs, "test/accuracy"), n_jobs=2)
    user.join()
    assert [process.returncode for process in started] == [130, 130]
    assert killed == []  # where the first Ctrl-C is long ago
    for process in started:
        assert process.stdout is not None
        process.stdout.close()
