"""One stack of run directories: locked, verified, trained, written, and each given its status."""

import traceback
from collections.abc import Sequence
from typing import NamedTuple

import torch

from lossbench.config.facts import Cache
from lossbench.config.verify import verify
from lossbench.errors import OwnedError, Stopped, UserError, one_line
from lossbench.job.memory import memory_error, memory_failure
from lossbench.job.signals import StopSignals
from lossbench.launch.progress import SweepProgress
from lossbench.rundir.directory import RunDirectory
from lossbench.rundir.files import synced_together
from lossbench.rundir.lock import Lock, all_of
from lossbench.rundir.reading import DamagedError
from lossbench.rundir.result import Result
from lossbench.vectorized.checkpoint import is_saved
from lossbench.vectorized.memory import Limits
from lossbench.vectorized.shared import Shared
from lossbench.vectorized.work import train_and_write


class Outcome(NamedTuple):
    """What is left of a stack when it has ended.

    Args:
        locked: runs that another process is working on.
        too_many: runs that did not fit into memory together.
    """

    locked: list[RunDirectory]
    too_many: list[RunDirectory]


def run_chunk(
    runs: Sequence[RunDirectory],
    shared: Shared,
    device: torch.device,
    progress: SweepProgress,
    limits: Limits,
    stop_signals: StopSignals,
) -> Outcome:
    """Train and write a stack; give the runs that are still to be done."""
    with synced_together():
        owned, others = _owned(runs, progress)
    with all_of([lock for _, lock in owned]):
        runs = [run for run, _ in owned]
        return Outcome(others, _run(runs, shared, device, progress, limits, stop_signals) if runs else [])


def _run(
    runs: Sequence[RunDirectory],
    shared: Shared,
    device: torch.device,
    progress: SweepProgress,
    limits: Limits,
    stop_signals: StopSignals,
) -> list[RunDirectory]:
    """Train and write; give the runs that are left where memory was too small for all of them."""
    try:
        train_and_write(runs, shared, device, progress, limits, stop_signals)
    except Stopped as stopped:
        status, reason = "cancelled" if stopped.why == "SIGINT" else "preempted", _reason(runs, stopped)
        for run in _unfinished(runs, progress):
            run.set_status(status, reason=reason)
        raise
    except Exception as error:  # a full disk, no memory: this stack fails, the next may not
        left, no_memory = _unfinished(runs, progress), memory_failure(error)
        if no_memory is not None and len(left) > 1:
            _postpone(left, progress)
            return left
        _fail(left, error if no_memory is None else memory_error(no_memory, runs[0].config), progress)
    return []


def fail_before_start(runs: Sequence[RunDirectory], error: Exception, progress: SweepProgress) -> list[RunDirectory]:
    """Record why runs cannot be trained; give those that another process is working on."""
    with synced_together():
        owned, others = _owned(runs, progress)
    with all_of([lock for _, lock in owned]):
        _fail([run for run, _ in owned], error, progress)
    return others


def _fail(runs: Sequence[RunDirectory], error: Exception, progress: SweepProgress) -> None:
    """Record a failure of runs that had been started."""
    known = isinstance(error, UserError)
    reason = one_line(error) if known else f"{type(error).__name__}: {one_line(error)[:300]}"
    for run in runs:
        run.log_path.write_text(traceback.format_exc())
        progress.finished(run, None, _recorded(run, reason))


def _recorded(run: RunDirectory, reason: str) -> str:
    """Record why a run has failed; give the reason, or what keeps it from being recorded."""
    try:
        run.set_status("failed", reason=reason)
    except DamagedError as error:
        return one_line(error)
    return reason


def _postpone(runs: Sequence[RunDirectory], progress: SweepProgress) -> None:
    for run in runs:
        run.set_status("planned")
        progress.postponed(run)


def _reason(runs: Sequence[RunDirectory], stopped: Stopped) -> str:
    """Word where the stack was stopped, and from where the next start goes on."""
    if stopped.at:
        return f"stopped at {stopped.at} ({stopped.why}); the same command goes on from there"
    then = "goes on from the last saving" if is_saved(runs) else "starts from the beginning"
    return f"stopped ({stopped.why}); the same command {then}"


def _unfinished(runs: Sequence[RunDirectory], progress: SweepProgress) -> list[RunDirectory]:
    return [run for run in runs if not run.result_path.exists() and run not in progress.failed]


def _owned(
    runs: Sequence[RunDirectory], progress: SweepProgress
) -> tuple[list[tuple[RunDirectory, Lock]], list[RunDirectory]]:
    """Lock, verify and start each run; also give those that another process has.

    What cannot be run is failed and left out; what another process has finished since the planning is left out too.
    """
    owned: list[tuple[RunDirectory, Lock]] = []
    others: list[RunDirectory] = []
    cache = Cache()
    for run in runs:
        try:
            found = _locked(run, cache, owned[0][1] if owned else None)
            progress.started(run)
            if isinstance(found, Result):
                progress.finished(run, found)
            else:
                owned.append((run, found))
        except OwnedError:
            others.append(run)
        except UserError as error:
            progress.started(run)
            progress.finished(run, None, one_line(error))
    return owned, others


def _locked(run: RunDirectory, cache: Cache, first: Lock | None) -> Lock | Result:
    """Lock, verify and start a run; of one that is done by now give the result.

    Args:
        run: its directory.
        cache: remembers what has been found out for other runs.
        first: the first lock of the stack, released last.
    """
    lock = run.lock()
    lock.take(first)
    try:
        verify(run, cache)
        done = run.result()
        if done is None:
            run.set_status("running")
    except UserError:
        lock.release()
        raise
    if done is None:
        return lock
    lock.release()
    return done
