"""A real SLURM of two nodes for tests: eval "$(scripts/dev_cluster.sh up)" starts one."""

import fcntl
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import ROOT

TRAIN = str(ROOT / "train.py")
SLURM = (
    "-m",
    "hydra/launcher=slurm",
    "hydra.launcher.memory_gb=1",
    "hydra.launcher.cpus=1",
    "hydra.launcher.poll_seconds=1",
)


@pytest.fixture(autouse=True)
def cluster() -> Iterator[None]:
    """One test at a time has the cluster to itself."""
    reachable = subprocess.run(["sh", "-c", "sinfo -h"], capture_output=True, text=True, check=False)
    if reachable.returncode:
        if os.environ.get("REQUIRE_SLURM"):
            pytest.fail(f"SLURM does not answer: {reachable.stderr}")
        pytest.skip('no SLURM here; eval "$(scripts/dev_cluster.sh up)" starts one')
    with open(Path(tempfile.gettempdir()) / "lossbench-tests-slurm.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
        subprocess.run(["scancel", "--user=root"], check=False)
        until(lambda: not queued(), 60)


def until(happened: Callable[[], object], seconds: float = 150) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.2)


def queued() -> str:
    return subprocess.run(["squeue", "-h", "-o", "%i %T"], capture_output=True, text=True, check=True).stdout.strip()


def slurm(*words: str) -> str:
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()
