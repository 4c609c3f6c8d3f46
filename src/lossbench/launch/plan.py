"""Compose, check and plan all jobs of a multirun before any runs. Torch-free."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lossbench.config.composition import load_yardstick
from lossbench.config.facts import Cache
from lossbench.config.resolve import Check, place, resolve, wants_plan
from lossbench.config.schema import RunConfig
from lossbench.errors import UserError, one_line
from lossbench.launch.check_spec import check_spec
from lossbench.launch.dry_runs import DryRuns
from lossbench.launch.expand import Job
from lossbench.launch.outlook.way import nothing
from lossbench.report.spec import ComparisonSpec
from lossbench.rundir.directory import RunDirectory
from lossbench.rundir.files import synced_together
from lossbench.rundir.flatten import flatten
from lossbench.rundir.planning import is_planned, plan
from lossbench.rundir.reading import DamagedError

RUN_LEVELS = 3
"""A run directory is <runs_dir>/<study>/<experiment>/replicate<r>, or seed<k>."""


Key = tuple[str, str, int]
"""Study, hash of the identity and unit, which the same run has in common with itself alone."""


@dataclass
class Planned:
    """The runs of a sweep.

    Args:
        labels: each run and the settings in which it differs from the others, in the order in which they run.
        invalid: runs whose loss is not defined for its numbers, and why.
        damaged: runs whose directory cannot be used, and why.
        monitor: the metric that the first of all runs monitors.
        repeated: jobs that are the same run as an earlier one.
        by_key: the runs in `labels` by their keys.
        done: the runs in `labels` that had a result when they were planned.
    """

    labels: dict[RunDirectory, str] = field(default_factory=dict)
    invalid: dict[RunDirectory, str] = field(default_factory=dict)
    damaged: dict[RunDirectory, str] = field(default_factory=dict)
    monitor: str = ""
    repeated: int = 0
    by_key: dict[Key, RunDirectory] = field(default_factory=dict)
    done: set[RunDirectory] = field(default_factory=set)


@dataclass(frozen=True)
class Cell:
    """A job with its configuration, where its run lies, and whether that is made anew."""

    job: Job
    config: RunConfig
    runs_dir: Path
    force: bool

    @property
    def key(self) -> Key:
        """What no other run has."""
        return self.config.study, self.config.identity_hash, self.config.unit


@dataclass(frozen=True)
class Checked:
    """The jobs of a sweep, composed and checked; nothing is written.

    Args:
        cells: each run once, in the order in which they run; invalid ones too.
        keys: of all jobs, those of repeated runs too, in the order of the jobs.
        cache: what was read of the data sets.
        plan_only: whether the runs are to be planned only.
    """

    cells: Sequence[Cell]
    keys: Sequence[Key]
    cache: Cache
    plan_only: bool

    @property
    def repeated(self) -> int:
        """How many jobs are the same run as an earlier one."""
        return len(self.keys) - len(self.cells)


def check_jobs(
    jobs: Sequence[Job],
    compose: Callable[[Job], dict[str, Any]],
    check_supported: Check,
    spec: ComparisonSpec | None = None,
    cache: Cache | None = None,
    prepare: Callable[[Sequence[RunConfig]], None] = nothing,
) -> Checked:
    """Compose and check all jobs before any is planned.

    Args:
        jobs: what to run.
        compose: gives their configurations.
        check_supported: raises UserError for a configuration that the launcher cannot run.
        spec: what the report compares, checked too.
        cache: what was read of the data sets before.
        prepare: gets the new runs before they are tried out, unless they are only planned.

    Raises:
        UserError: a mistake in any of them, or no job is valid.
    """
    cache, cells, plan_only = cache or Cache(), list[Cell](), list[bool]()
    for job in jobs:
        composed = compose(job)
        cells.append(_resolved(job, composed, cache, check_supported))
        plan_only.append(wants_plan(composed))
    valid = _valid(cells)
    if spec is not None:
        check_spec(spec, [cell.config for cell in valid])
    _try_out(valid, nothing if plan_only[0] else prepare)
    unique = {cell.key: cell for cell in reversed(cells)}  # of a run that is there twice the first job's label
    firsts = [cell for cell in cells if unique[cell.key] is cell]
    return Checked(firsts, [cell.key for cell in cells], cache, plan_only[0])


def _valid(cells: Sequence[Cell]) -> list[Cell]:
    """The runs whose loss is defined.

    Raises:
        UserError: there is none.
    """
    valid = [cell for cell in cells if cell.config.invalid is None]
    if not valid:
        raise UserError(f"no run of this sweep is valid, for example {cells[0].job.label}: {cells[0].config.invalid}")
    return valid


def plan_checked(checked: Checked, command: list[str]) -> Planned:
    """Write the directories of runs that have been checked.

    Args:
        checked: the runs.
        command: what the user typed, for the record.
    """
    planned = _planned(checked.cells, command)
    planned.repeated = checked.repeated
    return planned


def _resolved(job: Job, composed: dict[str, Any], cache: Cache, check_supported: Check) -> Cell:
    if composed.get("progress_bar") == "auto":
        composed["progress_bar"] = False  # the sweep has one for all runs
    config = resolve(composed, load_yardstick, cache, check_supported)
    return Cell(job, config, *place(composed))


def _is_new(cell: Cell) -> bool:
    """Whether a run has no directory yet, or one that is made anew."""
    return cell.force or not is_planned(cell.config, cell.runs_dir)


def _try_out(cells: Sequence[Cell], prepare: Callable[[Sequence[RunConfig]], None]) -> None:
    """Try every run that is new.

    Raises:
        UserError: names the first run that cannot be run.
    """
    new = [cell for cell in cells if _is_new(cell)]
    prepare([cell.config for cell in new])
    dry_runs = DryRuns()
    for cell in new:
        try:
            dry_runs(cell.config)
        except UserError as error:
            raise UserError(f"{error} (of this sweep: {cell.job.label})") from error


def _planned(cells: Sequence[Cell], command: list[str]) -> Planned:
    """Write the run directories; one that is damaged stops no other."""
    planned = Planned(monitor=cells[0].config.monitor)
    with synced_together():
        for cell in cells:
            try:
                _plan(cell, planned, command)
            except DamagedError as error:
                planned.damaged[_directory_of(error.path, cell.runs_dir)] = one_line(error)
    return planned


def _plan(cell: Cell, planned: Planned, command: list[str]) -> None:
    run = plan(cell.config, cell.runs_dir, force=cell.force, command=command)
    result = run.result()  # a damaged one is found now, not when the run's turn comes
    if cell.config.invalid is None:
        planned.labels[run] = cell.job.label
        planned.by_key[cell.key] = run
        if result is not None:
            planned.done.add(run)
    else:
        _record_invalid(run, cell)
        planned.invalid[run] = cell.config.invalid


def _directory_of(path: Path, runs_dir: Path) -> RunDirectory:
    """The run directory that is damaged itself, or holds the damaged file, at whatever depth."""
    return RunDirectory(runs_dir.joinpath(*path.relative_to(runs_dir).parts[:RUN_LEVELS]))


def _record_invalid(run: RunDirectory, cell: Cell) -> None:
    if (run.status.get("status"), run.status.get("reason")) != ("invalid", cell.config.invalid):
        run.set_status("invalid", reason=cell.config.invalid, params=flatten(cell.config.record))
