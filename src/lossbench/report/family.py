"""The family of a comparison: all arms of its study that the baseline was ever to be compared with."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from lossbench.report.arms import Arm, make_arms
from lossbench.report.comparable import measured_on
from lossbench.report.outcomes import has_diverged, is_spoilt
from lossbench.report.records import SHOWN_HASH, Record, find_runs, read_records
from lossbench.report.settings import comparability


def other_arms(baseline: Arm, given: Iterable[Arm], metric: str) -> list[Arm]:
    """Read the arms of the baseline's study that are not in a report and could have been compared with its baseline.

    Args:
        baseline: with at least one run that is done.
        given: the arms of the report; further units of these are not read.
        metric: what is compared; runs without it are left out, those whose outputs are not finite have diverged.

    Returns:
        Arms that share a unit with the baseline.
    """
    first = next(iter(baseline.runs.values()))
    known = {arm.digest for arm in given}
    records = _other_runs(first, known)
    like = [record for record in records if record.result is not None and _is_like(record, first)]
    done = [record for record in like if record.metrics.get(metric) is not None]
    arms = make_arms([first, *done], [*filter(is_spoilt, like), *filter(has_diverged, records)])
    return [arm for arm in arms if arm.digest not in known and _share_a_unit(arm, baseline)]


def _other_runs(first: Record, known: Iterable[str]) -> list[Record]:
    """The runs beside a run that are of none of the settings known by their hashes."""
    ends = tuple(f"-{digest[:SHOWN_HASH]}" for digest in known)
    places = [place for place in _folders(first) if not place.name.endswith(ends)]
    return read_records(find_runs(places)) if places else []


def _share_a_unit(arm: Arm, baseline: Arm) -> bool:
    return not {*baseline.runs, *baseline.diverged}.isdisjoint({*arm.runs, *arm.diverged})


def _folders(run: Record) -> list[Path]:
    """The folders of runs on the same data and model in a run's study."""
    result = run.done_result
    start = f"{result.data}-{result.model}-"
    with os.scandir(run.study) as entries:
        named = sorted(Path(entry.path) for entry in entries if entry.name.startswith(start))
    return [place for place in named if _has_runs(place)]


def _has_runs(place: Path) -> bool:
    """Whether it is a folder of this study that holds folders; a link may lead to another study."""
    return place.is_dir() and not place.is_symlink() and any(each.is_dir() for each in place.iterdir())


def _is_like(ours: Record, theirs: Record) -> bool:
    return measured_on(ours) == measured_on(theirs) and comparability(ours.params) == comparability(theirs.params)


def padding(family: Iterable[str], arms: Sequence[Arm]) -> int:
    """How many arms of a family, by the first digits of their hashes, have no data here."""
    return sum(not any(arm.digest.startswith(each) for arm in arms) for each in family)
