"""Runs parted into sets that can be compared: at one dose of the data, or at all doses of one number of the data."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lossbench.report.comparable import by_dose, measured_at_any_dose, measured_on
from lossbench.report.doses.axis import Axis, axis_of
from lossbench.report.records import Record, split_done
from lossbench.report.settings import COMPARED, describe_settings, differing_settings

Groups = list[tuple[str, list[Record]]]


def comparable_sets(records: Iterable[Record]) -> dict[str, list[Record]]:
    """Split runs into sets that can be compared; a run without a result joins the runs of its setting, else every set.

    Runs that differ in one number of the data, an axis, are one set: they are compared at each of its doses.

    Returns:
        What a set has in common that others have not, e.g. "mlp max_epochs=30" ("" where there is one set) -> its runs.
    """
    done, missing = split_done(records)
    groups = _group(done)
    settings = {record.name[:2] for record in done} if missing else set[tuple[str, str]]()
    found: dict[str, list[Record]] = {}
    for about, group in groups:
        elsewhere = settings - {record.name[:2] for record in group} if settings else settings
        name = _unused(about if len(groups) > 1 else "", found)
        found[name] = [*group, *(record for record in missing if record.name[:2] not in elsewhere)]
    return found


def _group(done: Sequence[Record]) -> Groups:
    """Group done runs, with all doses of an axis together unless the data of a dose have changed meanwhile."""
    axis = axis_of(done)
    groups = _group_by(done, axis)
    if axis is None:
        return groups
    if any(_has_changed(group, axis) for _, group in groups):
        return _group_by(done, None)
    return [each for about, group in groups for each in _by_way(about, group, axis)]


def _group_by(done: Sequence[Record], axis: Axis | None) -> Groups:
    """Group done runs by what they were measured on, and by their settings beyond COMPARED and the axis, in words."""
    differing = differing_settings({record.done_result.hash: record.params for record in done})
    measured = measured_on if axis is None else measured_at_any_dose
    kinds = {record.done_result.kind for record in done}
    groups: dict[tuple[str, str], list[Record]] = {}
    for record in done:
        about = _about(differing[record.done_result.hash], axis)
        if len(kinds) > 1:
            about = f"{about} {record.done_result.kind}s".strip()
        groups.setdefault((str(sorted(measured(record).items())), about), []).append(record)
    return [(about, group) for (_, about), group in groups.items()]


def _about(settings: Mapping[str, Any], axis: Axis | None) -> str:
    """The settings of a run that differ from others' beyond what is compared, in words."""
    keys = () if axis is None else axis.keys
    return describe_settings(
        {key: value for key, value in settings.items() if key not in keys and not key.startswith(COMPARED)}
    )


def _by_way(about: str, group: Sequence[Record], axis: Axis) -> Groups:
    """Part runs by how their data are changed; those on unchanged data are a dose of every way that lacks it."""
    members: dict[tuple[Any, ...] | None, list[Record]] = {}
    for record in group:
        members.setdefault(axis.way(record.params), []).append(record)
    unchanged = members.pop(None, [])
    found = {way: [*(unchanged if _lacks_off(runs, axis) else ()), *runs] for way, runs in members.items()}
    if unchanged and not any(_lacks_off(runs, axis) for runs in members.values()):
        found[None] = unchanged
    if len(found) == 1:
        return [(about, list(group))]
    return [(f"{about} {axis.way_said(way, [*found])}".strip(), runs) for way, runs in found.items()]


def _lacks_off(runs: Sequence[Record], axis: Axis) -> bool:
    """Whether runs have doses of an axis, but none of them that of unchanged data."""
    return all(axis.dose(run.params) != axis.off for run in runs)


def _has_changed(group: Sequence[Record], axis: Axis) -> bool:
    """Whether runs of one dose were not all measured on the same examples."""
    return any(len({str(measured_on(one)) for one in alike}) > 1 for alike in by_dose(group, axis).values())


def _unused(name: str, taken: Mapping[str, Any]) -> str:
    return name if name not in taken else f"{name} ({len(taken) + 1})".strip()
