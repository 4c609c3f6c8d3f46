"""Which process of a distributed run failed first: failed.rank<r>.json of each, read by rank 0. Torch-free."""

import logging
import os
import time
from typing import Any
from uuid import uuid4

from lossbench.errors import DivergedError, UserError, one_line
from lossbench.job.distributed import process_name, rank
from lossbench.rundir.directory import RunDirectory, processes
from lossbench.rundir.files import write_json
from lossbench.rundir.kinds import NUMBER, TEXT, check_kinds
from lossbench.rundir.reading import DamagedError, read_json
from lossbench.rundir.status import DIVERGED

log = logging.getLogger("lossbench")
KINDS = {"attempt": TEXT, "time": NUMBER, "reason": TEXT}  # of failed.rank<r>.json
ATTEMPT = "LOSSBENCH_ATTEMPT"  # processes that rank 0 starts inherit it
SETTLE_SECONDS = 3.0  # in which another rank writes failed.rank<r>.json
# Messages that only mean: another rank died first.
PEER_LOSS_ERRORS = (
    "gloo",
    "NCCL",
    "Connection closed by peer",
    "Connection reset by peer",
    "Broken pipe",
    "DistNetworkError",
    "DistStoreError",
)


def attempt_id() -> str:
    """Identify this attempt at a run: the same for all of its processes, another one after a restart."""
    if "SLURM_JOB_ID" not in os.environ:
        return os.environ.setdefault(ATTEMPT, uuid4().hex)
    restarts, step = os.environ.get("SLURM_RESTART_COUNT", "0"), os.environ.get("SLURM_STEP_ID", "")
    return f"{os.environ['SLURM_JOB_ID']}.{restarts}.{step}"


def write_rank_failure(run: RunDirectory, error: BaseException) -> None:
    """Write failed.rank<r>.json, so that rank 0 can report the original error; a lost peer is no error of this rank."""
    reason = reason_of(error)
    if is_peer_loss(reason):
        return
    record = {"attempt": attempt_id(), "time": time.time(), "reason": f"{process_name()}: {reason}"}
    write_json(run.path / f"failed.rank{rank()}.json", record)
    run.set_status("failed", reason=record["reason"], **cause_of(error))


def first_rank_failure(run: RunDirectory) -> str | None:
    """Give the reason of the process that failed first in this attempt; None where no file says so."""
    current: list[dict[str, Any]] = []
    for path in run.path.glob("failed.rank*.json"):
        try:
            record = read_json(path)
            check_kinds(path, record, KINDS)
        except DamagedError as error:  # the run fails for another reason
            log.warning("%s", error)
        else:
            current += [record] if record.get("attempt") == attempt_id() and KINDS.keys() <= record.keys() else []
    return min(current, key=lambda record: record["time"])["reason"] if current else None


def peer_failure(run: RunDirectory, error: Exception) -> str | None:
    """Find the failure of another process behind an error of this one; waits for its file after a lost connection."""
    if processes(run) == 1:
        return None
    end = time.monotonic() + (SETTLE_SECONDS if is_peer_loss(reason_of(error)) else 0.0)
    while (first := first_rank_failure(run)) is None and time.monotonic() < end:
        time.sleep(0.1)
    return first


def cause_of(error: BaseException) -> dict[str, str]:
    """The typed mark that status.json has beside the reason: that of a training which became NaN or infinite."""
    return {"cause": DIVERGED} if isinstance(error, DivergedError) else {}


def is_peer_loss(reason: str) -> bool:
    """Whether an error only means that another rank died first."""
    return any(message in reason for message in PEER_LOSS_ERRORS)


def reason_of(error: BaseException) -> str:
    """Word an exception for status.json: a user's mistake by its message, others with their type."""
    if isinstance(error, SystemExit):
        return f"called sys.exit({'' if error.code is None else error.code})"
    return one_line(error) if isinstance(error, UserError) else f"{type(error).__name__}: {one_line(error)}"
