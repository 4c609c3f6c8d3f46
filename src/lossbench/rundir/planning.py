"""Where the run of a configuration lies: found there, or planned there before anything runs."""

import os
import platform
import shlex
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from lossbench.config.schema import RunConfig
from lossbench.errors import UserError
from lossbench.rundir.contents import check_contents, check_folders, check_places
from lossbench.rundir.directory import SHOWN_DIGITS, RunDirectory
from lossbench.rundir.files import cannot_write, write_yaml
from lossbench.rundir.identity import (
    RESULT_VERSION,
    differences,
    identity,
    unit_folder,
    with_targets_of,
)
from lossbench.rundir.plain_yaml import yaml_text
from lossbench.rundir.reading import DamagedError, read_bytes, why


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
        kind = {"trial": True} if config.trial else {}  # so that runs which are not done are known as such too
        run.set_status("planned", command=command or [], platform=platform.platform(), **kind)
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
    path = run.path / "config.yaml"
    if not os.path.lexists(path):
        write_yaml(path, whole := _whole(config))
        _remember(run, config, whole)
    elif (whole := with_targets_of(config.record, run.record)) != run.record:
        write_yaml(path, whole)
        for read_before in ("record", "config"):
            vars(run).pop(read_before, None)


def _whole(config: RunConfig) -> dict[str, Any]:
    """What config.yaml of a new run holds."""
    return {**config.record, "result_version": RESULT_VERSION}


def _remember(run: RunDirectory, config: RunConfig, record: Mapping[str, Any]) -> None:
    """Spare reading and parsing what has just been written, or compared."""
    vars(run).update(record=record, config=replace(config, record=record, invalid=None))


def _holds(run: RunDirectory, config: RunConfig) -> bool:
    """Whether config.yaml is to the byte what would be written: then there is nothing to parse and compare."""
    path, whole = run.path / "config.yaml", _whole(config)
    try:
        same = os.path.lexists(path) and read_bytes(path) == yaml_text(whole).encode()
    except (OSError, ValueError):  # `verify` says what is wrong with it
        return False
    if same:
        _remember(run, config, whole)
    return same


def _place(config: RunConfig, runs_dir: Path, *, force: bool) -> RunDirectory:
    for digits in (SHOWN_DIGITS, 16, 64):
        run = _directory(config, runs_dir, digits)
        if _holds(run, config) or _is_free(run, force=force):
            return run
        if not differences(identity(config.record), identity(run.record)):
            return run
    raise UserError(f"{run.path} holds another experiment with the same hash; choose another study=NAME")


def _directory(config: RunConfig, runs_dir: Path, digits: int) -> RunDirectory:
    """The directory whose name has so many digits of the identity's hash."""
    names = "-".join((config.data.name, config.model.name, config.loss.name))
    shown = config.identity_hash[:digits]
    return RunDirectory(runs_dir.joinpath(config.study, f"{names}-{shown}", unit_folder(config.record)))


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
