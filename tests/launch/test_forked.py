"""Runs that are forked from one process behave as new processes do."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from conftest import plan_run
from failing_loss import FAILING, write_failing_loss

from lossbench.launch.forked import ForkedProcess, ForkServer, started_server
from lossbench.launch.pool import Pool
from lossbench.rundir.directory import RunDirectory

PROBE = """
import json, os, random, signal, sys, threading
from pathlib import Path
import numpy, torch
from lossbench.losses import CrossEntropy

def found():
    signals = {name: str(signal.getsignal(getattr(signal, name))) for name in ("SIGQUIT", "SIGCHLD", "SIGPIPE")}
    mask = os.umask(0)
    os.umask(mask)
    return {
        "same": {
            "env": {key: value for key, value in os.environ.items() if key != "LOSSBENCH_ATTEMPT"},
            "words": [sys.argv, sys.orig_argv], "main": sys.modules["__main__"].__spec__.name,
            "directory": [os.getcwd(), mask], "parent": os.getppid(), "leads": os.getsid(0) == os.getpid(),
            "threads": [torch.get_num_threads(), threading.active_count()],
            "open": sorted(os.readlink(f"/proc/self/fd/{k}") for k in os.listdir("/proc/self/fd") if int(k) < 3),
            "signals": signals, "path": sys.path,
        },
        "other": [random.random(), float(numpy.random.random())],
    }

class Probing(CrossEntropy):
    def per_example(self, logits, target):
        file = Path(os.environ["PROBED"]) / f"{os.getpid()}.json"
        if not file.exists():
            file.write_text(json.dumps(found()))
        return super().per_example(logits, target)
"""
SHORT = ("data=toy", "trainer=cpu", "trainer.max_steps=2", "figures=false")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForkServer]:
    """A server that has imported torch, with own losses in its path."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "probing.py").write_text(PROBE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOSSBENCH_ALLOW", "probing,failing")
        for name, value in (write_failing_loss(folder) | {"OMP_NUM_THREADS": "1"}).items():
            if name != "LOSSBENCH_ALLOW":
                patch.setenv(name, value)
        found = started_server([plan_run(folder, *SHORT, f"seed={seed}").config for seed in range(2)])
        assert found is not None
        wait_until_ready(found)
        yield found
        found.close()


def wait_until_ready(server: ForkServer) -> None:
    while not server.is_ready():
        time.sleep(0.02)


def env_of(threads: int, **more: str) -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": str(threads), **more}


def new_process(run: RunDirectory, log: int, env: dict[str, str]) -> subprocess.Popen[bytes]:
    words = [sys.executable, "-m", "lossbench.job", str(run.path)]
    return subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env, start_new_session=True)


@pytest.mark.slow
@pytest.mark.parametrize("threads", [1, 2])
def test_a_fork_is_as_a_new_process(tmp_path: Path, server: ForkServer, threads: int) -> None:
    run = plan_run(tmp_path / "runs", *SHORT, "loss=cross_entropy", "loss._target_=probing.Probing")
    found: dict[str, dict[str, Any]] = {}
    for how, start in (("forked", server.start), ("new", new_process)):
        folder = tmp_path / how
        folder.mkdir()
        with open(tmp_path / "log", "wb") as log:
            process = start(run, log.fileno(), env_of(threads, PROBED=str(folder), CUDA_VISIBLE_DEVICES="5"))
        assert process.wait() == 0, (tmp_path / "log").read_text()
        (found[how],) = (json.loads(path.read_text()) for path in folder.iterdir())
        found[how]["same"]["env"].pop("PROBED")
        found[how]["printed"] = [line for line in (tmp_path / "log").read_text().splitlines() if " s; " not in line]
        run.result_path.unlink()
        (run.path / "checkpoints" / "last.ckpt").unlink()
    assert found["forked"]["same"] == found["new"]["same"]
    assert found["forked"]["printed"] == found["new"]["printed"]
    assert found["forked"]["other"] != found["new"]["other"]
    assert found["new"]["same"]["parent"] == os.getpid()


def started(server: ForkServer, run: RunDirectory) -> ForkedProcess:
    with open(run.log_path, "ab") as log:
        return server.start(run, log.fileno(), env_of(1))


@pytest.mark.slow
def test_each_ends_with_its_own_code(tmp_path: Path, server: ForkServer) -> None:
    hows = {"never": 0, "raise": 1, "exit": 7, "sigkill": -signal.SIGKILL}
    runs = {how: plan_run(tmp_path, *SHORT, *FAILING, f"+loss.how={how}") for how in hows}
    processes = {how: started(server, run) for how, run in runs.items()}
    assert {how: process.wait() for how, process in processes.items()} == hows
    printed = runs["raise"].log_path.read_text()
    assert printed.endswith("RuntimeError: the cat sat on the keyboard\n")
    assert printed.count("Traceback (most recent call last)") == 2  # the log's, and Python's own


@pytest.mark.slow
def test_runs_outlive_the_process_that_forked_them_and_the_next_ones_are_new(tmp_path: Path) -> None:
    server, said = ForkServer(), list[str]()
    wait_until_ready(server)
    pool = Pool(2, server, said.append)
    long = plan_run(tmp_path, "data=digits", "trainer=cpu", "trainer.max_epochs=2000")
    pool.start(long)
    os.kill(server._process.pid, signal.SIGKILL)
    pool.start(plan_run(tmp_path, *SHORT))
    forked, new = (one.process for one in pool.active)
    assert (type(forked), type(new)) == (ForkedProcess, subprocess.Popen)
    assert said == [
        "each run imports torch by itself: the process that imports torch for all of them was killed by SIGKILL"
    ]
    assert new.wait() == 0
    while long.status["status"] != "running":
        time.sleep(0.01)
    forked.send_signal(signal.SIGTERM)
    assert forked.wait() == 143
    assert long.status["status"] == "preempted"


LAUNCHER = """
import os, sys, time
from lossbench.launch.forked import ForkServer, _becomes_parent
from lossbench.rundir.directory import RunDirectory
assert _becomes_parent()
server = ForkServer()
while not server.is_ready():
    time.sleep(0.02)
with open(sys.argv[1] + "/train.log", "ab") as log:
    print(server.start(RunDirectory(sys.argv[1]), log.fileno(), {**os.environ, "OMP_NUM_THREADS": "1"}).pid)
print(server._process.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.slow
def test_runs_outlive_a_launcher_that_is_killed(tmp_path: Path) -> None:
    run = plan_run(tmp_path, *SHORT)
    launcher = subprocess.Popen([sys.executable, "-c", LAUNCHER, str(run.path)], stdout=subprocess.PIPE, text=True)
    assert launcher.stdout is not None
    with launcher:
        forked, server = (int(launcher.stdout.readline()) for _ in range(2))
        launcher.kill()
    wait_until_gone(server)
    wait_until_gone(forked)
    assert run.result() is not None


def wait_until_gone(pid: int) -> None:
    with suppress(FileNotFoundError, ProcessLookupError):
        while "State:\tZ" not in Path(f"/proc/{pid}/status").read_text():
            time.sleep(0.02)


def test_distributed_runs_and_a_single_run_are_new_processes(tmp_path: Path) -> None:
    alone = plan_run(tmp_path, *SHORT).config
    several = plan_run(tmp_path, "data=digits", "trainer=ddp_cpu").config
    assert started_server([alone, several, several]) is None
