"""The run directory: its files, read and written so that any later command understands them."""

import os
import re
import shlex
import shutil
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from lossbench.config.schema import RunConfig
from lossbench.errors import UserError
from lossbench.rundir.files import cannot_write, json_bytes, write_alike
from lossbench.rundir.identity import RESULT_VERSION, identity_hash, unit_folder
from lossbench.rundir.lock import Lock
from lossbench.rundir.reading import DamagedError, read_yaml
from lossbench.rundir.result import Result
from lossbench.rundir.slurm_job import own_job
from lossbench.rundir.status import read_status

STATES = ("planned", "running", "done", "failed", "preempted", "cancelled", "invalid")
KEEP = ("all", "last", "best", "none")
SHOWN_DIGITS = 8  # of the hash of the identity, in names


@dataclass(frozen=True)
class RunDirectory:
    """One run on disk.

    Args:
        path: the directory, <runs_dir>/<study>/<data>-<model>-<loss>-<hash8>/replicate<r>, or seed<k>.
    """

    path: Path

    @property
    def result_path(self) -> Path:
        """result.json: written last; its presence means that the run is done."""
        return self.path / "result.json"

    @property
    def metrics_path(self) -> Path:
        """metrics.csv: the tidy history."""
        return self.path / "metrics.csv"

    @property
    def predictions_path(self) -> Path:
        """predictions.npz: outputs, targets and sample ids of the validation and test splits."""
        return self.path / "predictions.npz"

    @property
    def log_path(self) -> Path:
        """train.log: what happened, with warnings and the traceback of a failure."""
        return self.path / "train.log"

    @property
    def start_command(self) -> str:
        """The command that starts this run or goes on with it, to be copied into a shell."""
        return shlex.join(["python", "-m", "lossbench.job", str(self.path)])

    def checkpoint(self, name: str) -> Path:
        """checkpoints/<name>.ckpt, name being last or best."""
        return self.path / "checkpoints" / f"{name}.ckpt"

    @cached_property
    def record(self) -> dict[str, Any]:
        """The resolved configuration as config.yaml holds it, in plain containers.

        Raises:
            DamagedError: config.yaml is missing or damaged.
        """
        return read_yaml(self.path / "config.yaml")

    @cached_property
    def config(self) -> RunConfig:
        """The resolved configuration, parsed.

        Raises:
            DamagedError: a value is not allowed.
        """
        record = self.record
        try:
            return RunConfig.of(record)
        except UserError as error:
            raise DamagedError(self.path / "config.yaml", f"is damaged: {error}") from error

    @property
    def status(self) -> dict[str, Any]:
        """status.json, or an empty dictionary for a directory that was never planned.

        Raises:
            DamagedError: it is damaged.
        """
        return read_status(self.path / "status.json")

    def set_status(self, state: str, known: Mapping[str, Any] | None = None, /, **facts: object) -> None:
        """Write status.json: the state, who and when; of earlier facts reason, cause and SLURM job are dropped.

        Args:
            state: one of STATES.
            known: what status.json holds, where that has just been read; None reads it.
            facts: what else it is to hold.
        """
        now = datetime.now(UTC).isoformat(timespec="seconds")
        before = self.status if known is None else known
        kept = {key: value for key, value in before.items() if key not in ("reason", "cause", "job")}
        owner = {} if state == "planned" else {"host": socket.gethostname(), "pid": os.getpid()}
        if state != "planned" and (job := own_job()) is not None:
            owner["job"] = job
        status = {**kept, "status": state, **owner, state: now, "updated": now, **facts}
        write_alike(self.path / "status.json", json_bytes(status))

    def result(self) -> Result | None:
        """The result of a done run, otherwise None.

        Raises:
            DamagedError: result.json is damaged.
        """
        return Result.read(self.result_path) if os.path.lexists(self.result_path) else None

    def lock(self) -> Lock:
        """The right to run this directory, as a context manager."""
        return Lock(self.path / "lock.json")

    def check_version(self) -> None:
        """Refuse a directory whose results are made in another way than this version of lossbench makes them.

        Raises:
            DamagedError: config.yaml has another result version, or none.
        """
        found = self.record.get("result_version")
        if found != RESULT_VERSION:
            raise DamagedError(
                self.path / "config.yaml",
                f"is of another version of lossbench (result_version {found}, {RESULT_VERSION} here)",
                "start the run anew: it gets a directory of its own, or force=true archives this one",
            )

    def verify(self) -> None:
        """Check that config.yaml is the one the directory was planned with.

        Raises:
            DamagedError: it is of another version, it was edited, or the directory was renamed.
        """
        self.check_version()
        full, shown = identity_hash(self.record), self.path.parent.name.rpartition("-")[2]
        unit = unit_folder(self.record)
        if not re.fullmatch(r"[0-9a-f]{8,64}", shown) or not full.startswith(shown) or self.path.name != unit:
            raise DamagedError(
                self.path / "config.yaml",
                f"does not belong to this directory: it describes {full[:SHOWN_DIGITS]}/{unit}, "
                f"the directory says {shown}/{self.path.name}",
                "undo the edit (a moved run keeps its last two folder names), or start what you want with lossbench; "
                "for the run of this directory force=true archives it",
            )

    def prune_checkpoints(self, keep: str) -> None:
        """Delete the checkpoints of a done run that are not to be kept (all, last, best or none are)."""
        for name in ("last", "best"):
            if keep not in ("all", name):
                self.checkpoint(name).unlink(missing_ok=True)

    def archive(self, runs_dir: Path) -> Path:
        """Move the whole run to <runs_dir>/.archive and return its new place."""
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
        name = f"{self.path.name}-{stamp}-{time.monotonic_ns() % 10**6:06d}"
        target = runs_dir / ".archive" / self.path.parent.parent.name / self.path.parent.name / name
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(self.path, target)
        except OSError as error:
            raise cannot_write(target, error) from error
        return target


def processes(run: RunDirectory) -> int:
    """How many processes a run takes."""
    return run.config.trainer.processes
