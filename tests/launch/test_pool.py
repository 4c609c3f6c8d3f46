"""The GPUs and threads of runs that go on at a time; the processes are stand-ins that end at once."""

import signal
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from lossbench.launch import pool as module
from lossbench.launch.pool import Pool
from lossbench.rundir.directory import RunDirectory

TWO, FOUR = (("trainer.strategy=ddp", f"trainer.devices={devices}") for devices in (2, 4))
Leases = list[tuple[str, str]]


@pytest.fixture
def leases(monkeypatch: pytest.MonkeyPatch) -> Leases:
    """What each process gets: its GPUs, of three, and its threads, of eight cores."""
    found: Leases = []
    popen = subprocess.Popen

    def start(words: list[str], *, env: dict[str, str], **options: Any) -> subprocess.Popen[bytes]:
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
    pool.stop(signal.SIGTERM)
