"""Commands as a user types them."""

import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import time
from atexit import register
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

from conftest import ROOT

from lossbench.rundir.directory import RunDirectory

TYPED = {**os.environ, "OMP_NUM_THREADS": "1"}
for inherited in ("HYDRA_FULL_ERROR", "LOSSBENCH_WORDS_ERRORS", "LOSSBENCH_RUNS"):
    TYPED.pop(inherited, None)
PATIENCE = 600  # seconds that a test waits for a process: a busy machine needs more than a few
# Variables that no library reads when it is imported: a forked child may have its own.
READ_LATE = re.compile("LOSSBENCH_.*|HYDRA_FULL_ERROR|PYTHONPATH|PATH|CUDA_VISIBLE_DEVICES|SLURM_.*|PYTEST_.*")


def command(
    *words: str,
    runs: Path,
    cwd: Path = ROOT,
    env: Mapping[str, str] | None = None,
    limits: Mapping[str, int] | None = None,
    fresh: bool = False,
) -> subprocess.CompletedProcess[str]:
    """Run python with these words and wait.

    Args:
        *words: what follows `python`.
        runs: where run directories go.
        cwd: the working directory.
        env: further environment variables.
        limits: resource limits by name, e.g. {"RLIMIT_FSIZE": 20_000}.
        fresh: start a new process; otherwise a child is forked from one that has imported torch, where that is equal.
    """
    env = {**TYPED, "LOSSBENCH_RUNS": str(runs), **(env or {})}
    if fresh or not can_fork(words, env):
        return start_process(words, cwd, env, limits or {})
    return fork_server().run(words, cwd, env, limits or {})


def can_fork(words: tuple[str, ...], env: Mapping[str, str]) -> bool:
    """Whether a forked child behaves like a new process: no python options, no environment that libraries have read."""
    changed = {name for name in TYPED.keys() | env.keys() if TYPED.get(name) != env.get(name)}
    plain = words[0] == "-m" or not words[0].startswith("-")
    return sys.platform == "linux" and plain and all(READ_LATE.fullmatch(name) for name in changed)


def _like_a_terminal() -> None:
    """Take Ctrl-C, which a shell lets everything ignore that it starts in the background, this process too."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def start_process(
    words: tuple[str, ...], cwd: Path, env: dict[str, str], limits: Mapping[str, int]
) -> subprocess.CompletedProcess[str]:
    def set_limits() -> None:
        _like_a_terminal()
        for name, limit in limits.items():
            resource.setrlimit(getattr(resource, name), (limit, limit))

    return subprocess.run(
        [sys.executable, *words],
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        preexec_fn=set_limits,
        check=False,
    )


class ForkServer:
    """A process of tests/fork_server.py and the socket it takes commands from.

    Args:
        libraries: what it imports; none are the heavy ones.
    """

    def __init__(self, libraries: Sequence[str] = ()) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        env = {name: value for name, value in TYPED.items() if name != "PYTHONPATH"}
        words = [sys.executable, str(ROOT / "tests" / "fork_server.py"), str(theirs.fileno()), *libraries]
        self._process = subprocess.Popen(
            words,
            env=env,
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=_like_a_terminal,
        )
        theirs.close()

    def run(
        self,
        words: tuple[str, ...],
        cwd: Path,
        env: dict[str, str],
        limits: Mapping[str, int],
        forbidden: Sequence[str] = (),
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in a forked child and wait until it has ended and nobody can write to its output any more."""
        asked = {"words": words, "cwd": str(cwd), "env": env, "limits": dict(limits), "forbidden": list(forbidden)}
        message = json.dumps(asked)
        (out, out_end), (err, err_end) = os.pipe(), os.pipe()
        socket.send_fds(self._socket, [message.encode()], [out_end, err_end])
        os.close(out_end)
        os.close(err_end)
        with ThreadPoolExecutor(2) as pool:
            try:
                printed = list(pool.map(read_all, (out, err)))
                code = int(self._socket.recv(16))
            except BaseException:  # a time limit, or Ctrl-C
                os.killpg(self._process.pid, signal.SIGKILL)
                self.close()
                raise
        return subprocess.CompletedProcess([sys.executable, *words], code, *printed)

    def close(self) -> None:
        """End the process; the next command starts another."""
        fork_server.cache_clear()
        self._socket.close()
        self._process.wait()


@cache
def fork_server(*libraries: str) -> ForkServer:
    """The server of this test process that has imported some libraries, started when it is first needed."""
    server = ForkServer(libraries)
    register(server.close)
    return server


def read_all(descriptor: int) -> str:
    with open(descriptor) as file:
        return file.read()


def start_command(
    *words: str, runs: Path, cwd: Path = ROOT, output: int | None = subprocess.PIPE, session: bool = False
) -> subprocess.Popen[str]:
    """Start python with these words in a new process that Ctrl-C reaches: tests in the background have it ignored."""
    return subprocess.Popen(
        [sys.executable, *words],
        cwd=cwd,
        env={**TYPED, "LOSSBENCH_RUNS": str(runs)},
        stdout=output,
        stderr=output,
        text=True,
        start_new_session=session,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def wait_until(there: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Wait until something is there, while the process that makes it lives."""
    limit = time.monotonic() + PATIENCE
    while not there():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < limit
        time.sleep(0.01)


def train(*words: str, runs: Path, **options: Any) -> RunDirectory:
    """Type train.py, expect success and silence on stderr, and give the run directory that it names."""
    done = command(str(ROOT / "train.py"), *words, runs=runs, **options)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return named_in(done.stdout)


def named_in(printed: str) -> RunDirectory:
    """The run directory that a command printed last."""
    return RunDirectory(Path(re.findall(r"everything is in (\S+)$", printed, flags=re.MULTILINE)[-1]))


def assert_one_line(code: int, stderr: str, *mentions: str) -> None:
    assert code == 1
    assert re.fullmatch(r"error: [^\n]+\n", stderr), stderr
    for mention in mentions:
        assert mention in stderr
