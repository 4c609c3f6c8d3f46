"""status.json while a run runs and when it ends, of all its processes. Torch-free."""

import errno
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

from lossbench.errors import Stopped, UserError
from lossbench.job.distributed import process_name
from lossbench.job.memory import memory_error, memory_failure
from lossbench.job.rank_failures import (
    attempt_id,
    cause_of,
    first_rank_failure,
    peer_failure,
    reason_of,
    write_rank_failure,
)
from lossbench.job.requeue import goes_on, settled, unsettled
from lossbench.job.signals import signals_ignored
from lossbench.rundir.directory import RunDirectory, processes
from lossbench.rundir.files import cannot_write, synced_together
from lossbench.rundir.flatten import flatten
from lossbench.rundir.provenance import code_state

log = logging.getLogger("lossbench")
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)


@contextmanager
def recorded_status(run: RunDirectory) -> Iterator[None]:
    """Keep status.json true while the block runs the run, in the process that owns the directory."""
    attempt_id()  # set before other ranks are started: they inherit it
    run.set_status("running", **code_of(run))
    try:
        yield
    except KeyboardInterrupt:  # where nobody handles the signal: in another thread than the main one
        run.set_status("cancelled", reason=f"interrupted by the user; {how_to_go_on(run)}")
        raise
    except SystemExit as error:
        _record_exit(run, error)
        raise
    except Exception as error:
        log.exception("failed")
        _record_failure(run, error)
        raise
    run.set_status("done")
    for path in run.path.glob("failed.rank*.json"):
        path.unlink(missing_ok=True)


@contextmanager
def recorded_rank_status(run: RunDirectory) -> Iterator[None]:
    """Record how a rank above 0 fails: its error may end rank 0 before that can report anything."""
    try:
        yield
    except Stopped:
        raise
    except (Exception, SystemExit) as error:
        log.exception("failed")
        write_rank_failure(run, error)
        raise


def _record_exit(run: RunDirectory, error: SystemExit) -> None:
    """Record a stop by a signal, a sys.exit, or the failure of another rank that led to either."""
    if (first := first_rank_failure(run)) is not None:
        run.set_status("failed", reason=first)
        if isinstance(error, Stopped):
            error.recorded = True
    elif isinstance(error, Stopped):
        record_stop(run, error)
    else:
        run.set_status("failed", reason=reason_of(error))


def record_stop(run: RunDirectory, stopped: Stopped) -> None:
    """Record where a signal has stopped the run, and word it for the user; in a SLURM job, have it queued again."""
    if slurm_decides(stopped):
        record_slurm_stop([run], stopped, goes_on(run))
        return
    at, stopped.recorded = f" at {stopped.at}" if stopped.at else "", True
    then = "the same command goes on from there" if stopped.at else how_to_go_on(run)
    stopped.line = f"stopped{at} ({stopped.why}); {then}"
    run.set_status("cancelled" if stopped.why == "SIGINT" else "preempted", reason=stopped.line)


def record_slurm_stop(runs: Sequence[RunDirectory], stopped: Stopped, again: str) -> None:
    """Record that a signal has stopped the runs of a SLURM job, have it queued again, and record what SLURM confirms.

    Args:
        runs: of the job, saved: one, or those of a stack that are not done.
        stopped: gets the line for the user.
        again: the command that goes on with them.
    """
    at, stopped.recorded = f" at {stopped.at}" if stopped.at else "", True
    with signals_ignored():  # SLURM ends a job that it queues again, and that must not cut this short
        _set_all(runs, "preempted", f"stopped{at}: {unsettled(stopped.why, again)}")
        outcome = settled(stopped.why, again)
        stopped.line = f"stopped{at}: {outcome.reason}"
        _set_all(runs, outcome.status, stopped.line)


def _set_all(runs: Sequence[RunDirectory], state: str, reason: str) -> None:
    with synced_together() if len(runs) > 1 else nullcontext():
        for run in runs:
            run.set_status(state, reason=reason)


def slurm_decides(stopped: Stopped) -> bool:
    """Whether the cluster knows if a stopped run goes on; a user's Ctrl-C ends it, with or without SLURM."""
    return "SLURM_JOB_ID" in os.environ and stopped.why != "SIGINT"


def how_to_go_on(run: RunDirectory) -> str:
    """Say from where the next start goes on: what is on the disk, not what should be."""
    if run.checkpoint("last").exists():
        return "the same command goes on from the last checkpoint"
    return "nothing was saved yet, the same command starts from the beginning"


def _record_failure(run: RunDirectory, error: Exception) -> None:
    """Record an error, and raise what lies behind it: another rank's failure, a file not written, too little memory."""
    cause = _failed_write(error, run.path) or _no_memory(error, run) or error
    peer = peer_failure(run, cause)
    own = reason_of(cause) if processes(run) == 1 else f"{process_name()}: {reason_of(cause)}"
    with suppress(UserError):  # status.json cannot be written on a full disk; the cause reports that
        run.set_status("failed", reason=peer or own, **cause_of(cause))
    if peer is not None:
        raise UserError(peer) from error
    if cause is not error:
        raise cause from error


def _no_memory(error: Exception, run: RunDirectory) -> UserError | None:
    found = memory_failure(error)
    return None if found is None else memory_error(found, run.config)


def code_of(run: RunDirectory) -> dict[str, Any]:
    """Give status.json's facts about the code: made_with, and what changed of it at each resume."""
    now, before = code_state(), run.status.get("made_with")
    changes = run.status.get("changed_on_resume", [])
    if before is not None and run.checkpoint("last").exists() and before != now:
        changes = [*changes, _differences(flatten(before), flatten(now))]
    return {"made_with": now, "changed_on_resume": changes}


def _differences(old: dict[str, Any], new: dict[str, Any]) -> dict[str, list[Any]]:
    changed = [key for key in sorted(old | new) if old.get(key) != new.get(key)]
    return {key: [old.get(key), new.get(key)] for key in changed}


def _failed_write(error: BaseException, folder: Path) -> UserError | None:
    """Find a failed write among the causes of an error: loggers write in threads and raise errors of their own."""
    cause: BaseException | None = None if isinstance(error, UserError) else error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in NO_ROOM:
            return cannot_write(Path(cause.filename or folder), cause)
        cause = cause.__cause__ or cause.__context__
    return None
