"""Which runs may be compared with each other: those measured on the same examples in the same way."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path

from lossbench.errors import UserError
from lossbench.report.doses.axis import AXES, Axis, axis_of
from lossbench.report.formatting import counted
from lossbench.report.records import DAMAGED, Record, find_runs, read_records, split_done
from lossbench.rundir.result import Result


def measured_on(record: Record) -> dict[str, str]:
    """What must be the same in all runs of a comparison: the data, the examples and the tested weights."""
    result = record.done_result
    return {
        "data sets": result.data,
        "units (replicates or seeds)": f"{result.kind}s",
        "data fingerprints (examples and splits)": result.fingerprint[:16],
        "numbers of examples": _sizes(result),
        "tested weights (evaluate)": str(result.params.get("evaluate")),
        "classes": str(len(result.classes)),
    }


def measured_at_any_dose(record: Record) -> dict[str, str]:
    """What must be the same where a number of the data differs: all but what is learnt and chosen from."""
    found, result = measured_on(record), record.done_result
    del found["data fingerprints (examples and splits)"], found["numbers of examples"]
    tested = result.replicate is not None and result.folds is not None and "groups" in result.facts
    return found if tested else {**found, "numbers of test examples": str(_tested(result))}


def _sizes(result: Result) -> str:
    """The numbers of examples; replicates that keep groups whole differ in size, and share what they are drawn from."""
    val, test = result.n.get("val"), result.n.get("test")
    if "groups" not in result.facts or result.replicate is None:
        return f"val {val}, test {_tested(result)}"
    limit = result.params.get("data.limit_eval_batches")
    tested = "" if result.folds else f", test {test}"
    return f"pool {result.facts['pool']} in {result.facts['groups']} groups{tested}, limit_eval_batches {limit}"


def _tested(result: Result) -> int | None:
    """The number of test examples; where folds differ by one, that of the smaller ones."""
    n, folds = result.n.get("test"), result.folds
    return n if n is None or folds is None else min(n, int(result.facts["pool"]) // folds)


def require_comparable(
    records: Sequence[Record], measured: Callable[[Record], Mapping[str, str]] = measured_on
) -> None:
    """Refuse to compare runs that were not measured on the same examples in the same way.

    Args:
        records: done runs.
        measured: what must be the same in all of them.

    Raises:
        UserError: names the first difference, and a run of each kind.
    """
    kinds: dict[str, dict[str, Record]] = {}
    for record in records:
        for what, value in measured(record).items():
            kinds.setdefault(what, {}).setdefault(value, record)
    for what, seen in kinds.items():
        if len(seen) > 1:
            (ours, one), (theirs, other) = list(seen.items())[:2]
            raise UserError(
                f"these runs cannot be compared, their {what} differ: {ours} in {one.path}, {theirs} in {other.path}"
            )


def require_comparable_at_each_dose(records: Sequence[Record]) -> None:
    """Refuse to compare runs that were not measured in the same way; what they learn from may differ by dose.

    Raises:
        UserError: names the first difference, and a run of each kind.
    """
    axis = axis_of(records)
    if axis is None:
        require_comparable(records)
        return
    require_comparable(records, measured_at_any_dose)
    for alike in by_dose(records, axis).values():
        require_comparable(alike)


def by_dose(records: Iterable[Record], axis: Axis) -> dict[tuple[float, ...], list[Record]]:
    """Part done runs by their doses: of this axis, and of the others that the data were changed by."""
    found: dict[tuple[float, ...], list[Record]] = {}
    for record in records:
        others = [each.dose(record.params) for each in AXES if each is not axis]
        found.setdefault((axis.dose(record.params), *others), []).append(record)
    return found


def read_done(folders: Sequence[Path], left_out: Collection[Path] = ()) -> list[Record]:
    """Read all runs below some folders, for a comparison of those that are done; damaged ones are named in it.

    Trials are left out, which a line says.

    Args:
        folders: at any depth above the runs.
        left_out: studies whose runs are not read; where there is no other run, there is none to give.

    Raises:
        UserError: none is done, or the runs cannot be compared with each other.
    """
    paths = [path for path in _runs_in(folders, left_out) if path.resolve().parents[1] not in left_out]
    if left_out and not paths:
        return []
    records = without_trials(read_records(paths))
    done, missing = split_done(records)
    if not done:
        states = ", ".join(sorted({record.state for record in missing}))
        places = ", ".join(map(str, folders))
        damaged = "".join(f"; {record.status['reason']}" for record in missing[:1] if record.state == DAMAGED)
        raise UserError(
            f"none of the {len(records)} runs in {places} is done ({states}){damaged or '; run them first'}"
        )
    require_comparable_at_each_dose(done)
    return records


def _runs_in(folders: Sequence[Path], left_out: Collection[Path]) -> list[Path]:
    """The runs in some folders; none is no mistake where studies are left out."""
    try:
        return find_runs(folders)
    except UserError:
        if not left_out or not all(folder.is_dir() for folder in folders):
            raise
        return []


def without_trials(records: Sequence[Record]) -> list[Record]:
    """Leave trials out of runs that are to be compared, and say so in a line.

    Raises:
        UserError: all of them are trials.
    """
    trials = [record for record in records if record.trial]
    if not trials:
        return [*records]
    study = trials[0].study
    tuned = study.with_name(f"{study.name.removesuffix('.trials')}.tuned")
    way_out = f"lossbench report {tuned} judges them" if tuned.is_dir() else "hydra/sweeper=tuned compares tuned losses"
    line = f"{counted(len(trials), 'trial')} of {study}: trials are never tested, so they are not compared; {way_out}"
    if len(trials) == len(records):
        raise UserError(line)
    print(line, flush=True)
    return [record for record in records if not record.trial]
