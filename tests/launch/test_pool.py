"""The GPUs and threads of runs that go on at a time; the processes are stand-ins that end at once."""

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lossbench.job.signals import StopSignals
from lossbench.launch import pool as module
from lossbench.launch.pool import Pool, RunProcess
from lossbench.rundir.directory import RunDirectory

TWO, FOUR = (("trainer.strategy=ddp", f"trainer.devices={devices}") for devices in (2, 4))
Leases = list[tuple[str, str]]


@pytest.fixture
def leases(monkeypatch: pytest.MonkeyPatch) -> Leases:
    """What each process gets: its GPUs, of three, and its threads, of eight cores."""
    found: Leases = []
    popen = subprocess.Popen

    def start(words: list[str], *, env: dict[str, str] | None = None, **options: Any) -> subprocess.Popen[bytes]:
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


def test_ctrl_c_again_reaches_all_runs() -> None:
    """The first lets them save, which here takes for ever; the second one ends them."""
    handlers = "signal.signal(2, lambda *_: signal.signal(2, lambda *_: exit(130)))"
    program = f"import signal, time; {handlers}; print(flush=True)\nwhile True: time.sleep(9)"
    pool, stop_signals = Pool(2), StopSignals()
    for _ in range(2):
        process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, start_new_session=True)
        pool.active.append(RunProcess(RunDirectory(Path()), process, []))
    for one in pool.active:
        assert one.process.stdout is not None
        one.process.stdout.read(1)
    stop_signals.received = "SIGINT"
    again = threading.Timer(0.3, lambda: setattr(stop_signals, "urgent", True))
    again.start()
    pool.stop(stop_signals)
    again.join()
    assert [one.process.returncode for one in pool.active] == [130, 130]
    for one in pool.active:
        assert one.process.stdout is not None
        one.process.stdout.close()
