"""Runs in processes of their own, several at a time: what happens to one happens to no other."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from lossbench.errors import Stopped, UserError, one_line
from lossbench.hardware import cores, visible_gpus
from lossbench.job.signals import handle_stop_signals
from lossbench.launch.progress import SweepProgress
from lossbench.rundir.directory import RunDirectory, processes
from lossbench.rundir.files import cannot_write
from lossbench.rundir.lock import is_alive, read_owner

LOOK_SECONDS = 0.1
WAIT_SECONDS = 60.0  # for a process that is to stop and saves what it has
MEMORY_OF_A_RUN = 2e9  # bytes; torch alone takes a quarter
LAST_LINES = 3


def run_in_processes(runs: Sequence[RunDirectory], progress: SweepProgress, n_jobs: int | None = None) -> None:
    """Bring run directories to their results, each by python -m lossbench.job in a process of its own.

    Args:
        runs: planned directories.
        progress: is told how each goes.
        n_jobs: runs at a time; None is one for each GPU, without GPUs one for each CPU core that memory allows.

    Raises:
        UserError: n_jobs is wrong.
        KeyboardInterrupt: the user wants all of it to stop; the runs have saved what they had.
        SystemExit: a signal does.
    """
    if n_jobs is not None and (isinstance(n_jobs, bool) or not isinstance(n_jobs, int) or n_jobs < 1):
        raise UserError(f"hydra.launcher.n_jobs must be a whole number >= 1 or null, got {n_jobs!r}")
    pool = _Pool(n_jobs or _jobs(runs))
    waiting, stop_with = list(runs), signal.SIGINT
    try:
        with handle_stop_signals():
            while waiting or pool.jobs:
                for run in [run for run in waiting if pool.has_room(run)]:
                    if pool.has_room(run) and not _is_owned(run):
                        waiting.remove(run)
                        progress.started(run)
                        try:
                            pool.start(run)
                        except UserError as error:  # this run's log cannot be written; the others' may
                            progress.finished(run, None, one_line(error))
                for job in pool.ended():
                    _tell(job, progress, waiting)
                time.sleep(LOOK_SECONDS)
    except Stopped:
        stop_with = signal.SIGTERM
        raise
    finally:
        pool.stop(stop_with)


@dataclass
class _Job:
    run: RunDirectory
    process: subprocess.Popen[bytes]
    gpus: list[str]


class _Pool:
    """The processes that run now, and the GPUs that are free."""

    def __init__(self, n_jobs: int) -> None:
        self.n_jobs, self.jobs = n_jobs, list[_Job]()
        self.gpus = visible_gpus()
        self.all_gpus = len(self.gpus)

    def has_room(self, run: RunDirectory) -> bool:
        """Whether a run can start now; one that needs more GPUs than there are starts with all, and says so itself."""
        return len(self.jobs) < self.n_jobs and len(self.gpus) >= min(self._needs(run), self.all_gpus)

    def start(self, run: RunDirectory) -> None:
        """Start a run with its share of the machine."""
        lease = [self.gpus.pop(0) for _ in range(min(self._needs(run), self.all_gpus))]
        beside = processes(run) if run.config["trainer"]["accelerator"] == "cpu" else 1
        share = {"OMP_NUM_THREADS": str(max(1, cores(most=4096) // self.n_jobs // beside))}
        if self.all_gpus:
            share["CUDA_VISIBLE_DEVICES"] = ",".join(lease)
        try:
            with open(run.log_path, "ab") as log:
                process = subprocess.Popen(
                    [sys.executable, "-m", "lossbench.job", str(run.path)],
                    stdout=log,
                    stderr=log,
                    stdin=subprocess.DEVNULL,
                    env={**os.environ, **share},
                    start_new_session=True,  # Ctrl-C is for the launcher, which passes it on once
                )
        except OSError as error:
            self.gpus += lease
            raise cannot_write(run.log_path, error) from error
        self.jobs.append(_Job(run, process, lease))

    def ended(self) -> list[_Job]:
        """Take the jobs that have ended, and what they had leased."""
        over = [job for job in self.jobs if job.process.poll() is not None]
        self.jobs = [job for job in self.jobs if job not in over]
        self.gpus += [gpu for job in over for gpu in job.gpus]
        return over

    def stop(self, number: signal.Signals) -> None:
        """Ask what still runs to save and stop, and wait; what does not is killed."""
        for job in self.jobs:
            job.process.send_signal(number)  # the first process of a distributed run tells the others
        end = time.monotonic() + WAIT_SECONDS
        for job in self.jobs:
            try:
                job.process.wait(max(0.0, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                os.killpg(job.process.pid, signal.SIGKILL)
                job.process.wait()

    def _needs(self, run: RunDirectory) -> int:
        trainer = run.config["trainer"]
        return 0 if trainer["accelerator"] == "cpu" or not self.all_gpus else trainer["devices"]


def _jobs(runs: Sequence[RunDirectory]) -> int:
    gpus = len(visible_gpus())
    if gpus and any(run.config["trainer"]["accelerator"] != "cpu" for run in runs):
        return gpus
    return max(1, min(cores(most=4096), int(psutil.virtual_memory().available / MEMORY_OF_A_RUN)))


def _is_owned(run: RunDirectory) -> bool:
    lock = run.lock().path
    return lock.exists() and is_alive(read_owner(lock), lock)


def _tell(job: _Job, progress: SweepProgress, waiting: list[RunDirectory]) -> None:
    """Say how a job ended; one that another process came to own first waits again."""
    run, code = job.run, job.process.returncode
    result = run.result()
    if result is not None and code == 0:
        progress.finished(run, result)
    elif _is_owned(run):
        progress.left()
        waiting.append(run)
    else:
        reason = reason_of(run, code)
        progress.finished(run, None, reason)
        for line in last_lines(run.log_path):
            progress.say(f"    {line}")


def reason_of(run: RunDirectory, code: int) -> str:
    """Why a run has no result: what it said itself, or how its process died, which is then said in status.json."""
    status = run.status
    if status.get("status") not in ("running", "planned") and "reason" in status:
        return str(status["reason"])
    if code < 0:
        name = signal.Signals(-code).name
        reason = f"killed by {name}" + (": out of memory, or by hand" if name == "SIGKILL" else "")
    else:
        reason = f"exit code {code}"
    run.set_status("failed", reason=reason)
    return reason


def last_lines(path: Path) -> list[str]:
    """The end of a log."""
    if not path.exists():
        return []
    with open(path, "rb") as file:
        file.seek(max(0, path.stat().st_size - 4096))
        lines = file.read().decode(errors="replace").splitlines()
    return [line for line in lines if line.strip()][-LAST_LINES:]
