"""Plans in the journal: what a sweep is going to compare, written before its first run. Torch-free."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from lossbench.report.doses.axis import Axis, axis_among, without_dose
from lossbench.report.doses.lines import trend_hash
from lossbench.report.journal import append, read_journal
from lossbench.report.records import Record
from lossbench.report.settings import comparability, setting_but_for
from lossbench.report.spec import ComparisonSpec
from lossbench.rundir.directory import RunDirectory
from lossbench.rundir.flatten import flatten
from lossbench.rundir.identity import identity_hash

SHOWN = 16  # digits of an identity's hash
Arms = dict[str, dict[str, Any]]


def record_plans(runs: Iterable[RunDirectory], spec: ComparisonSpec | None) -> None:
    """Write what a sweep plans into the journals of its studies, a line for runs that can be compared with each other.

    Arms at several doses of the data are one line, with the trend of each loss.

    The family of every later report is at least these arms; trials are none. A plan that a journal holds already is not
    written again.

    Args:
        runs: planned directories.
        spec: what the report compares; None where there is none.

    Raises:
        UserError: a journal cannot be read or written.
    """
    for (study, _), arms in _by_study(runs).items():
        entry: dict[str, Any] = {"what": "plan", "arms": arms}
        if spec is not None:
            entry |= {"baseline": spec.baseline, "metric": spec.metric, "margin": spec.margin}
        if not any(_says(entry, line) for line in read_journal(study).entries):
            append(study, entry)


def _by_study(runs: Iterable[RunDirectory]) -> dict[tuple[Path, str], Arms]:
    """The arms of each study that can be compared with each other: hash -> loss and units."""
    by_study: dict[Path, list[PlannedArm]] = {}
    for arm in _arms(runs):
        by_study.setdefault(arm.study, []).append(arm)
    found: dict[tuple[Path, str], Arms] = {}
    for study, arms in by_study.items():
        axis = axis_among([arm.settings for arm in arms])
        for arm in [*arms, *(_trends(arms, axis) if axis else ())]:
            settings = arm.settings if axis is None else without_dose(arm.settings, axis)
            found.setdefault((study, comparability(settings)), {})[arm.digest] = arm.entry
    return found


class PlannedArm(NamedTuple):
    """The runs of one setting that a sweep plans: its study, hash, flat settings, and its entry in the journal."""

    study: Path
    digest: str
    settings: Mapping[str, Any]
    entry: dict[str, Any]


def _arms(runs: Iterable[RunDirectory]) -> Iterator[PlannedArm]:
    """The arms of planned runs; trials are none."""
    members: dict[Path, list[RunDirectory]] = {}
    for run in runs:
        members.setdefault(run.path.parent, []).append(run)
    for folder, alike in members.items():
        settings = flatten(alike[0].record)
        if settings.get("trial") is not True:
            units = sorted(Record(run.path, {}, None).name.unit or 0 for run in alike)
            digest = identity_hash(alike[0].record)[:SHOWN]
            yield PlannedArm(folder.parent, digest, settings, {"loss": settings.get("loss.name"), "units": units})


def _trends(arms: Sequence[PlannedArm], axis: Axis) -> Iterator[PlannedArm]:
    """The trend of each loss that is planned at several doses, as one more arm."""
    lines: dict[str, dict[float, PlannedArm]] = {}
    for arm in arms:
        lines.setdefault(setting_but_for(axis.keys, arm.settings), {})[axis.dose(arm.settings)] = arm
    for members in lines.values():
        ordered = [arm for _, arm in sorted(members.items())]
        if len(ordered) > 1:
            units = sorted(set[int].intersection(*({*arm.entry["units"]} for arm in ordered)))
            entry = {"loss": ordered[0].entry["loss"], "trend": axis.key, "units": units}
            digest = trend_hash(arm.digest for arm in ordered)[:SHOWN]
            yield ordered[0]._replace(digest=digest, entry=entry)


def _says(entry: Mapping[str, Any], line: Mapping[str, Any]) -> bool:
    return all(line.get(key) == value for key, value in entry.items())
