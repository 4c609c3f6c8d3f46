"""Plans in the journal: what a sweep is going to compare, written before its first run. Torch-free."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from lossbench.report.journal import append, read_journal
from lossbench.report.records import Record
from lossbench.report.settings import comparability
from lossbench.report.spec import ComparisonSpec
from lossbench.rundir.directory import RunDirectory
from lossbench.rundir.flatten import flatten
from lossbench.rundir.identity import identity_hash

SHOWN = 16  # digits of an identity's hash
Arms = dict[str, dict[str, Any]]


def record_plans(runs: Iterable[RunDirectory], spec: ComparisonSpec | None) -> None:
    """Write what a sweep plans into the journals of its studies, a line for runs that can be compared with each other.

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
    members: dict[Path, list[RunDirectory]] = {}
    for run in runs:
        members.setdefault(run.path.parent, []).append(run)
    found: dict[tuple[Path, str], Arms] = {}
    for folder, alike in members.items():
        settings = flatten(alike[0].record)
        if settings.get("trial") is not True:
            units = sorted(Record(run.path, {}, None).name.unit or 0 for run in alike)
            arms = found.setdefault((folder.parent, comparability(settings)), {})
            arms[identity_hash(alike[0].record)[:SHOWN]] = {"loss": settings.get("loss.name"), "units": units}
    return found


def _says(entry: Mapping[str, Any], line: Mapping[str, Any]) -> bool:
    return all(line.get(key) == value for key, value in entry.items())
