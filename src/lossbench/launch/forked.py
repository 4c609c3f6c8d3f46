"""Processes of runs that are forked from one that has imported torch: a start takes a tenth of a second. Torch-free."""

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence

from lossbench.config.schema import RunConfig
from lossbench.rundir.directory import RunDirectory

READY = "ready"
REQUEST_BYTES = 1 << 20
AMD_GPUS = "/dev/kfd"
SET_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER of prctl


class ServerLostError(Exception):
    """The process that forks has ended; the message says why, where that is known."""


class ForkedProcess:
    """A child of this process that another one has forked; the part of subprocess.Popen that launchers use.

    Args:
        pid: its number.
    """

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Give the exit code, negative for a signal; None while it runs."""
        self._reap(os.WNOHANG)
        return self.returncode

    def wait(self) -> int:
        """Wait until it has ended; give the exit code."""
        self._reap(0)
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def _reap(self, options: int) -> None:
        if self.returncode is not None:
            return
        try:
            pid, status = os.waitpid(self.pid, options)
        except ChildProcessError:  # reaped elsewhere: subprocess takes that for 0 too
            self.returncode = 0
            return
        if pid:
            self.returncode = os.waitstatus_to_exitcode(status)


class ForkServer:
    """The process of lossbench.launch.fork_server; it imports torch while this one goes on."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._is_ready = False
        words = [sys.executable, "-m", "lossbench.launch.fork_server", str(theirs.fileno())]
        with theirs:
            self._process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )

    def is_ready(self) -> bool:
        """Whether it has imported everything.

        Raises:
            ServerLostError: it cannot fork, or has ended.
        """
        if not self._is_ready:
            self._socket.setblocking(False)
            try:
                self._take_readiness(self._received())
            except BlockingIOError:
                return False
            self._socket.setblocking(True)
        return True

    def _take_readiness(self, message: str) -> None:
        if message != READY:
            raise ServerLostError(message)
        self._is_ready = True

    def start(self, run: RunDirectory, log: int, env: Mapping[str, str]) -> ForkedProcess:
        """Fork a process for a run, once `is_ready`.

        Args:
            run: its directory.
            log: descriptor of the file that it prints into.
            env: its whole environment.

        Raises:
            ServerLostError: the server has ended.
        """
        request = json.dumps({"run_dir": str(run.path), "env": dict(env)}).encode()
        try:
            socket.send_fds(self._socket, [request], [log])
        except OSError as error:
            raise ServerLostError(self._end()) from error
        return ForkedProcess(int(self._received()))

    def _received(self) -> str:
        try:
            message = self._socket.recv(REQUEST_BYTES)
        except ConnectionResetError:
            message = b""
        if not message:
            raise ServerLostError(self._end())
        return message.decode()

    def _end(self) -> str:
        code = self._process.wait()
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        return f"the process that imports torch for all of them {how}"

    def close(self) -> None:
        """End it; the runs that it has forked go on."""
        self._socket.close()
        if self._process.poll() is None:
            self._process.kill()  # it may still import
        self._process.wait()


def started_server(configs: Sequence[RunConfig]) -> ForkServer | None:
    """Start a server where it saves time; None where each run is better a new process.

    Args:
        configs: of the runs that are to be started.
    """
    several = sum(is_forked(config) for config in configs) > 1
    return ForkServer() if several and _becomes_parent() else None


def is_forked(config: RunConfig) -> bool:
    """Whether a run can be a fork: a distributed one restarts its command line."""
    return config.trainer.processes == 1


def _becomes_parent() -> bool:
    """Make this process the parent of what is forked for it, where the system can (Linux).

    Elsewhere forks are not safe after libraries were imported (macOS) or there are none (Windows); with AMD's GPUs they
    have not been tried.
    """
    return (
        sys.platform == "linux"
        and not os.path.exists(AMD_GPUS)
        and ctypes.CDLL(None).prctl(SET_SUBREAPER, 1, 0, 0, 0) == 0
    )
