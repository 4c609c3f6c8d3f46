"""How a run ends: its state, and the reason, of all its processes. Torch-free."""

import errno
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from lossbench.errors import Stopped, UserError, one_line
from lossbench.job.allocation import fate
from lossbench.job.distributed import rank, where
from lossbench.rundir.directory import RunDirectory, processes
from lossbench.rundir.files import cannot_write, read_json, write_json
from lossbench.rundir.result import asked_now, flatten

log = logging.getLogger("lossbench")
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
ATTEMPT = "LOSSBENCH_ATTEMPT"  # processes that rank 0 starts inherit it
# What a process hears when another one has gone.
PEER_LOSS_ERRORS = (
    "gloo",
    "NCCL",
    "Connection closed by peer",
    "Connection reset by peer",
    "Broken pipe",
    "DistNetworkError",
    "DistStoreError",
)
SETTLE_SECONDS = 3.0


@contextmanager
def recorded_status(run: RunDirectory) -> Iterator[None]:
    """Keep status.json true while a run runs and when it ends, by the process that owns the directory."""
    _attempt()
    run.set_status("running", **code_of(run))
    try:
        yield
    except KeyboardInterrupt:
        run.set_status("cancelled", reason="interrupted by the user")
        raise
    except SystemExit as error:
        if (blamed := blame(run)) is not None:
            run.set_status("failed", reason=blamed)
        elif isinstance(error, Stopped):
            ended = fate(error.why)
            run.set_status(ended.state, reason=ended.reason)
        else:
            run.set_status("failed", reason=f"called sys.exit({'' if error.code is None else error.code})")
        raise
    except Exception as error:
        log.exception("failed")
        cause = _failed_write(error, run.path) or error
        reason, anothers = _reason_of(run, cause)
        with suppress(UserError):  # a full disk, which the cause says already
            run.set_status("failed", reason=reason)
        if anothers:
            raise UserError(reason) from error
        if cause is error:
            raise
        raise cause from error
    run.set_status("done")
    for left in run.path.glob("failed.rank*.json"):
        left.unlink(missing_ok=True)


@contextmanager
def recorded_rank_status(run: RunDirectory) -> Iterator[None]:
    """Leave word of how a process other than the first one failed: the first one may be killed before it can say so."""
    try:
        yield
    except (Exception, SystemExit) as error:
        if isinstance(error, Stopped):
            raise
        log.exception("failed")
        told = f"called sys.exit({error.code})" if isinstance(error, SystemExit) else one_line(error)
        reason = told if isinstance(error, UserError | SystemExit) else f"{type(error).__name__}: {told}"
        if not _is_echo(reason):
            word = {"attempt": _attempt(), "time": time.time(), "reason": f"{where()}: {reason}"}
            write_json(run.path / f"failed.rank{rank()}.json", word)
            run.set_status("failed", reason=word["reason"])
        raise


def code_of(run: RunDirectory) -> dict[str, Any]:
    """What status.json says about the code that runs the run: made_with, and what changed of it each time that the run went on."""
    now, before = asked_now(), run.status.get("made_with")
    changes = run.status.get("changed_on_resume", [])
    if before is not None and run.checkpoint("last").exists() and before != now:
        old, new = flatten(before), flatten(now)
        changes = [
            *changes,
            {key: [old.get(key), new.get(key)] for key in sorted(old | new) if old.get(key) != new.get(key)},
        ]
    return {"made_with": now, "changed_on_resume": changes}


def blame(run: RunDirectory) -> str | None:
    """Say which process of this attempt failed first, and why; None where none has said so."""
    words = [read_json(path) for path in run.path.glob("failed.rank*.json")]
    mine = [word for word in words if word["attempt"] == _attempt()]
    return min(mine, key=lambda word: word["time"])["reason"] if mine else None


def _reason_of(run: RunDirectory, error: Exception) -> tuple[str, bool]:
    """The reason of a failure, and whether it is another process's: what this one heard may be the echo of that."""
    reason = one_line(error) if isinstance(error, UserError) else f"{type(error).__name__}: {one_line(error)}"
    if processes(run) == 1:
        return reason, False
    end = time.monotonic() + (SETTLE_SECONDS if _is_echo(reason) else 0.0)
    while (blamed := blame(run)) is None and time.monotonic() < end:
        time.sleep(0.1)
    return (blamed, True) if blamed is not None else (f"{where()}: {reason}", False)


def _is_echo(reason: str) -> bool:
    return any(sound in reason for sound in PEER_LOSS_ERRORS)


def _attempt() -> str:
    """What the processes of one attempt at a run have in common."""
    if "SLURM_JOB_ID" in os.environ:
        return f"{os.environ['SLURM_JOB_ID']}.{os.environ.get('SLURM_RESTART_COUNT', '0')}.{os.environ.get('SLURM_STEP_ID', '')}"
    return os.environ.setdefault(ATTEMPT, uuid4().hex)


def _failed_write(error: BaseException, folder: Path) -> UserError | None:
    """Find a write that failed behind an error that is not the user's: loggers write in threads, and say it in their own words."""
    behind: BaseException | None = None if isinstance(error, UserError) else error
    while behind is not None:
        if isinstance(behind, OSError) and behind.errno in NO_ROOM:
            return cannot_write(Path(behind.filename or folder), behind)
        behind = behind.__cause__ or behind.__context__
    return None
