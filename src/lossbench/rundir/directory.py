"""The run directory: planned before anything runs, written so that any later command understands it."""

import os
import platform
import re
import shlex
import shutil
import socket
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from lossbench.config.schema import RunConfig
from lossbench.errors import UserError
from lossbench.rundir.contents import check_contents, check_folders, check_places
from lossbench.rundir.files import cannot_write, write_json, write_yaml
from lossbench.rundir.identity import (
    RESULT_VERSION,
    differences,
    identity,
    identity_hash,
    unit_folder,
    with_targets_of,
)
from lossbench.rundir.lock import Lock
from lossbench.rundir.reading import DamagedError, read_yaml, why
from lossbench.rundir.result import Result
from lossbench.rundir.status import read_status

STATES = ("planned", "running", "done", "failed", "preempted", "cancelled", "invalid")
KEEP = ("all", "last", "best", "none")
SHOWN_DIGITS = 8


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

    def set_status(self, state: str, **facts: object) -> None:
        """Write status.json: the state, who and when; of earlier facts a reason and its cause are dropped."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        kept = {key: value for key, value in self.status.items() if key not in ("reason", "cause")}
        owner = {} if state == "planned" else {"host": socket.gethostname(), "pid": os.getpid()}
        write_json(self.path / "status.json", {**kept, "status": state, **owner, state: now, "updated": now, **facts})

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


def is_planned(config: RunConfig, runs_dir: Path) -> bool:
    """Whether a configuration has a directory with a config.yaml already, whatever its state."""
    return os.path.lexists(_directory(config, runs_dir, SHOWN_DIGITS).path / "config.yaml")


def find(config: RunConfig, runs_dir: Path) -> RunDirectory:
    """Give the directory that a configuration has or would get; nothing is written.

    Raises:
        DamagedError: it is damaged.
        UserError: another experiment has its place.
    """
    return _place(config, runs_dir, force=False)


def plan(config: RunConfig, runs_dir: Path, *, force: bool = False, command: list[str] | None = None) -> RunDirectory:
    """Find or create the directory of a configuration; the same identity gives the same directory.

    Where a class of lossbench has moved to another module since, config.yaml is brought up to date.

    Args:
        config: resolved and checked, with its data fingerprint.
        runs_dir: the root of all runs.
        force: archive an existing run and plan it anew.
        command: what the user typed, for the record.

    Returns:
        The directory, with config.yaml and status.json in it.

    Raises:
        UserError: it cannot be written, or it, its study or a folder between them is a link that leads elsewhere.
        DamagedError: something is in its place that is no run directory, it may not be read or written,
            or a file in it is damaged or edited.
    """
    run = _place(config, runs_dir, force=force)
    check_places(run.path.parents[1])
    check_folders(run.path)
    _check_rights(run.path, force=force)
    if force and os.path.lexists(run.path):
        _archive_unlocked(run, runs_dir)
        run = RunDirectory(run.path)
    _make_directory(run.path)
    check_contents(run.path)
    _write_config(run, config)
    if not run.status:
        run.set_status("planned", command=command or [], platform=platform.platform())
    return run


def _archive_unlocked(run: RunDirectory, runs_dir: Path) -> None:
    """Archive what has the place of a run, whatever it is; a run that a process works on is left alone.

    Raises:
        UserError: a live process owns the run, or it cannot be moved.
    """
    lock = run.lock()
    if not lock.path.parent.is_dir() or lock.is_damaged:
        run.archive(runs_dir)
        return
    with lock:
        moved = run.archive(runs_dir)
    (moved / lock.path.name).unlink(missing_ok=True)


def _make_directory(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _cannot_make(path, error) from error


def _cannot_make(path: Path, error: OSError) -> UserError:
    """Say why a run directory cannot be made; where its experiment's folder is the obstacle, others may be."""
    if isinstance(error, FileExistsError) and os.path.lexists(path):
        return DamagedError(path, "is not a folder")
    obstacle = isinstance(error, FileExistsError | NotADirectoryError | PermissionError)
    if obstacle and os.path.lexists(path.parent):
        reason = f"cannot be made in {path.parent.name} ({why(error)})"
        return DamagedError(path, reason, "move that away, or make it a folder in which you may write")
    return cannot_write(path, error)


def _check_rights(path: Path, *, force: bool) -> None:
    """Refuse a directory whose content cannot be read, or that cannot be archived.

    Raises:
        DamagedError: it lacks a right.
    """
    for folder, use in (path, "read and written"), (path.parent, "archived"):
        needed = force or folder == path
        if needed and os.path.isdir(folder) and not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
            way_out = f"chmod u+rwx {shlex.quote(str(folder))} allows it"
            raise DamagedError(path, f"cannot be {use} (Permission denied)", way_out)


def _write_config(run: RunDirectory, config: RunConfig) -> None:
    """Write config.yaml; one that is there keeps its settings and gets the present modules of lossbench's classes."""
    path, whole = run.path / "config.yaml", {**config.record, "result_version": RESULT_VERSION}
    if os.path.lexists(path) and (whole := with_targets_of(config.record, run.record)) == run.record:
        return
    write_yaml(path, whole)
    for read_before in ("record", "config"):
        vars(run).pop(read_before, None)


def _place(config: RunConfig, runs_dir: Path, *, force: bool) -> RunDirectory:
    for digits in (SHOWN_DIGITS, 16, 64):
        run = _directory(config, runs_dir, digits)
        if _is_free(run, force=force) or not differences(identity(config.record), identity(run.record)):
            return run
    raise UserError(f"{run.path} holds another experiment with the same hash; choose another study=NAME")


def _directory(config: RunConfig, runs_dir: Path, digits: int) -> RunDirectory:
    """The directory whose name has so many digits of the identity's hash."""
    names = "-".join((config.data.name, config.model.name, config.loss.name))
    shown = identity_hash(config.record)[:digits]
    return RunDirectory(runs_dir / config.study / f"{names}-{shown}" / unit_folder(config.record))


def _is_free(run: RunDirectory, *, force: bool) -> bool:
    """Whether nothing has been planned in this place, or what is there is damaged and to be archived.

    Raises:
        DamagedError: it is damaged, and not to be archived.
    """
    if not os.path.lexists(run.path / "config.yaml"):
        return True
    try:
        run.verify()
    except DamagedError:
        if not force:
            raise
        return True
    return False
