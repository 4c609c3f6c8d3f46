"""The processes of runs that go on at a time, and the GPUs and threads that each gets. Torch-free."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import psutil

from lossbench.config.schema import RunConfig
from lossbench.hardware import cores, visible_gpus
from lossbench.job.signals import SAME_REQUEST_SECONDS, StopSignals
from lossbench.launch.forked import ForkedProcess, ForkServer, ServerLostError, is_forked
from lossbench.rundir.directory import RunDirectory, processes
from lossbench.rundir.files import cannot_write

SAVE_SECONDS = 60.0  # that a process has to save and stop
URGENT_SECONDS = 10.0  # that it has after Ctrl-C was pressed again
POLL_SECONDS = 1.5 * SAME_REQUEST_SECONDS  # Ctrl-C again, sent on earlier, would count as the same one
MEMORY_OF_A_RUN = 2e9  # bytes; torch alone takes a quarter


@dataclass
class RunProcess:
    """A run and its process.

    Args:
        run: its directory.
        process: python -m lossbench.job, a new one or a fork.
        gpus: leased to it, as in CUDA_VISIBLE_DEVICES.
    """

    run: RunDirectory
    process: subprocess.Popen[bytes] | ForkedProcess
    gpus: list[str]


class Pool:
    """Start runs as processes; no GPU is leased to two of them.

    Args:
        n_jobs: most runs at a time.
        server: forks their processes; None starts new ones.
        say: prints a line.
    """

    def __init__(self, n_jobs: int, server: ForkServer | None = None, say: Callable[[str], None] = print) -> None:
        self.n_jobs, self.active = n_jobs, list[RunProcess]()
        self.server, self.say = server, say
        self.free_gpus = visible_gpus()
        self.all_gpus = len(self.free_gpus)

    def has_room(self, run: RunDirectory) -> bool:
        """Whether a run can start now; one that needs more GPUs than exist starts with all and fails its own check."""
        has_room = len(self.active) < self.n_jobs and len(self.free_gpus) >= self._lease(run)
        return has_room and (not is_forked(run.config) or self._is_ready())

    def _is_ready(self) -> bool:
        """Whether a run can be forked, or has to be a new process because nothing forks it."""
        try:
            return self.server is None or self.server.is_ready()
        except ServerLostError as error:
            self._lose(error)
            return True

    def _lose(self, error: ServerLostError) -> None:
        if self.server is not None:
            self.server.close()
        self.server = None
        self.say(f"each run imports torch by itself: {error}")

    def start(self, run: RunDirectory) -> None:
        """Start a run with its share of the machine.

        Raises:
            UserError: its log cannot be written.
        """
        gpus = [self.free_gpus.pop(0) for _ in range(self._lease(run))]
        try:
            self.active.append(RunProcess(run, self._open(run, gpus), gpus))
        except OSError as error:
            self.free_gpus += gpus
            raise cannot_write(run.log_path, error) from error

    def take_ended(self) -> list[RunProcess]:
        """Remove the processes that have ended and free their GPUs."""
        ended = [one for one in self.active if one.process.poll() is not None]
        self.active = [one for one in self.active if one not in ended]
        for one in ended:
            self.free_gpus += one.gpus
        return ended

    def stop(self, stop_signals: StopSignals) -> None:
        """Let all runs save and stop; Ctrl-C again stops them at once, and one that does not end in time is killed.

        Args:
            stop_signals: what this process was asked; the runs get the same, SIGTERM where it was nothing.
        """
        self._send(signal.Signals[stop_signals.received or "SIGTERM"])  # ranks agree with rank 0 to stop
        urgent, end = False, time.monotonic() + SAVE_SECONDS
        while any(one.process.poll() is None for one in self.active) and time.monotonic() < end:
            time.sleep(POLL_SECONDS)
            if stop_signals.urgent and not urgent:
                urgent, end = True, time.monotonic() + URGENT_SECONDS
                self._send(signal.SIGINT)
        for one in self.active:
            if one.process.poll() is None:
                os.killpg(one.process.pid, signal.SIGKILL)
                one.process.wait()

    def _send(self, number: signal.Signals) -> None:
        for one in self.active:
            one.process.send_signal(number)

    def _open(self, run: RunDirectory, gpus: Sequence[str]) -> subprocess.Popen[bytes] | ForkedProcess:
        env = {**os.environ, **self._share(run, gpus)}
        with open(run.log_path, "ab") as log:
            if self.server is not None and is_forked(run.config):
                try:
                    return self.server.start(run, log.fileno(), env)
                except ServerLostError as error:
                    self._lose(error)
            return subprocess.Popen(
                [sys.executable, "-m", "lossbench.job", str(run.path)],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                env=env,
                start_new_session=True,  # Ctrl-C reaches the launcher alone, which forwards it once
            )

    def _share(self, run: RunDirectory, gpus: Sequence[str]) -> dict[str, str]:
        """The environment that gives a run its GPUs and its share of the CPU threads."""
        ranks = processes(run) if on_cpu(run.config) else 1
        share = {"OMP_NUM_THREADS": str(max(1, cores(most=4096) // self.n_jobs // ranks))}
        return {**share, "CUDA_VISIBLE_DEVICES": ",".join(gpus)} if self.all_gpus else share

    def _lease(self, run: RunDirectory) -> int:
        """How many GPUs a run gets."""
        return 0 if on_cpu(run.config) else min(run.config.trainer.devices, self.all_gpus)


def default_n_jobs(runs: Sequence[RunDirectory]) -> int:
    """One run for each GPU; without GPUs, or for runs on the CPU, one for each core that memory allows."""
    return most_at_a_time(cpu=all(on_cpu(run.config) for run in runs))


def most_at_a_time(*, cpu: bool = False) -> int:
    """One run for each GPU; without GPUs, or on the CPU, one for each core that memory allows."""
    gpus = len(visible_gpus())
    if gpus and not cpu:
        return gpus
    return max(1, min(cores(most=4096), int(psutil.virtual_memory().available / MEMORY_OF_A_RUN)))


def on_cpu(config: RunConfig) -> bool:
    """Whether a run takes no GPU."""
    return config.trainer.accelerator == "cpu"
