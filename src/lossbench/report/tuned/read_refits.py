"""Reading the refits of a plan, and what is still to be done of its trials."""

from collections.abc import Iterator
from pathlib import Path

from lossbench.errors import UserError
from lossbench.report.compare import OPEN
from lossbench.report.journal import read_journal
from lossbench.report.outcomes import has_diverged
from lossbench.report.records import Record, find_runs, read_records
from lossbench.report.tuned.refits import Refits, refit_path
from lossbench.tuning.study import Tuned


def read_refits(tuned: Tuned) -> Refits:
    """Read the refits of all rows, replicates and choices.

    Raises:
        UserError: nothing was chosen yet, or no refit is done.
    """
    failed, waiting = _without_winners(tuned)
    if not tuned.winners:
        raise UserError(f"{tuned.folder}: no replicate has all its trials yet; {_way_on(waiting)}")
    paths = dict.fromkeys(_paths(tuned))
    read = {record.path: record for record in read_records(path for path in paths if path.is_dir())}
    refits = Refits(
        tuned, {path: read.get(path, Record(path, {}, None)) for path in paths}, tuple(sorted(failed)), waiting
    )
    if not refits.done:
        raise UserError(f"{tuned.folder}: {_none_done(refits)}")
    return refits


def _none_done(refits: Refits) -> str:
    count = len(refits.records)
    if all(map(has_diverged, refits.missing)):
        return f"all {count} refits diverged, so that there is nothing to compare; search other ranges, with study=NAME"
    return f"none of its {count} refits is done; {_way_on(count)}"


def _way_on(to_do: int) -> str:
    return f"the command that started it does what is missing ({to_do} runs or more)"


def _paths(tuned: Tuned) -> Iterator[Path]:
    for replicate, winners in tuned.winners.items():
        for row in tuned.plan.rows:
            for n in winners.rows[row.name].best_after:
                yield refit_path(tuned, row, replicate, n)


def _without_winners(tuned: Tuned) -> tuple[list[int], int]:
    """The replicates of the plan that can have no winners as things are, and the trials still to be done."""
    lacking = {replicate for replicate in _planned(tuned) if replicate not in tuned.winners}
    if not lacking:
        return [], 0
    waiting = [run for run in _trials(tuned) if run.state in OPEN and run.name.unit in lacking]
    return [*lacking - {run.name.unit for run in waiting}], len(waiting)


def _planned(tuned: Tuned) -> set[int]:
    """The replicates of all commands: those of the plan's first one, and those that the journal has of later ones."""
    planned = {*tuned.plan.replicates}
    for line in read_journal(tuned.study).entries:
        if line.get("what") == "plan" and line.get("plan") == tuned.plan.hash:
            planned |= {unit for arm in line["arms"].values() for unit in arm["units"]}
    return planned


def _trials(tuned: Tuned) -> list[Record]:
    """The trials on the data and the model of a plan; none where their study was removed."""
    runs = find_runs([tuned.trials]) if tuned.trials.is_dir() else []
    return [record for record in read_records(runs) if _is_of(record, tuned)]


def _is_of(record: Record, tuned: Tuned) -> bool:
    return record.name.setting.startswith(f"{tuned.plan.data}-{tuned.plan.model}-")
