"""The choice among trials that have all ended, and the refits of what was chosen. Torch-free."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from lossbench.launch.plan import Checked
from lossbench.launch.tuned.fight import Fight, RefitJob, TrialJob
from lossbench.metrics.units import unit_of
from lossbench.report.outcomes import has_diverged
from lossbench.report.records import Record, read_record
from lossbench.rundir.directory import RunDirectory
from lossbench.rundir.planning import find
from lossbench.rundir.reading import DamagedError
from lossbench.tuning.files import WAY_OUT
from lossbench.tuning.plan import Plan
from lossbench.tuning.study import read_winners, winners_folder
from lossbench.tuning.winners import RowWinners, Trial, Winners, best_after, edges_of, file_name

TIES = "val/nll_scaled"
TIE_DIGITS = 5
"""Significant digits that decide a tie: the last ones depend on how many runs were trained and measured together."""


def has_ended(record: Record) -> bool:
    """Whether a run needs no further start: it is done, or it diverged, which is an outcome too."""
    return record.result is not None or has_diverged(record)


def outcome_of(run: RunDirectory, job: TrialJob, plan: Plan) -> Trial | None:
    """Read how a trial ended; None where it has not ended.

    Raises:
        DamagedError: its files cannot be read.
    """
    record = read_record(run.path)
    if not has_ended(record):
        return None
    score, result = record.metrics.get(plan.monitor), record.result
    return Trial(
        trial=job.trial,
        settings=job.settings,
        score=score,
        nll=None if score is None else _rounded(record.metrics.get(TIES)),
        outcome="diverged" if score is None else "done",
        run=f"{run.path.parent.name}/{run.path.name}",
        steps=plan.steps if result is None else result.steps,
        seconds=_seconds(record.status) if result is None else result.seconds,
    )


def _rounded(nll: float | None) -> float | None:
    return None if nll is None else float(f"{nll:.{TIE_DIGITS}g}")


def _seconds(status: Mapping[str, Any]) -> float:
    """How long a run went on that diverged; whole seconds."""
    start, end = status.get("running"), status.get("failed")
    if start is None or end is None:
        return 0.0
    return max(0.0, (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds())


def winners_of(fight: Fight, replicate: int, trials: Mapping[str, Sequence[Trial]]) -> Winners:
    """Choose in a replicate; the folders of the refits are added by `with_refits`.

    Args:
        fight: the plan.
        replicate: its number.
        trials: row -> its trials, all of them, by number.
    """
    higher = unit_of(fight.plan.monitor).higher_is_better
    rows: dict[str, RowWinners] = {}
    for entry in fight.entries:
        own = trials[entry.row.name]
        after = best_after([each.score for each in own], [each.nll for each in own], higher_is_better=higher)
        edges = edges_of(entry.row.space, own[after[len(own)] - 1].settings)
        rows[entry.row.name] = RowWinners(tuple(own), after, edges, {})
    return Winners(fight.plan.hash, replicate, rows)


def refit_jobs(fight: Fight, winners: Winners) -> list[RefitJob]:
    """List the runs of a replicate that are to be tested: each setting that was the best after some trials, once."""
    found: list[RefitJob] = []
    for name, row in winners.rows.items():
        chosen = {number: row.trials[number - 1].settings for number in sorted({*row.best_after.values()})}
        found += fight.refits(winners.replicate, name, chosen)
    return found


def with_refits(winners: Winners, jobs: Sequence[RefitJob], folders: Mapping[int, str]) -> Winners:
    """Add where the refits lie.

    Args:
        winners: of a replicate.
        jobs: refits of all replicates.
        folders: place of a job in `jobs` -> folder of its experiment.
    """
    rows: dict[str, RowWinners] = {}
    for name, row in winners.rows.items():
        own = {k: job for k, job in enumerate(jobs) if (job.replicate, job.row) == (winners.replicate, name)}
        rows[name] = replace(row, refits={job.trial: folders[k] for k, job in own.items()})
    return replace(winners, rows=rows)


def folders_of(checked: Checked, fight: Fight) -> dict[int, str]:
    """Where runs lie, or would lie: number of a job -> folder of its experiment."""
    found = {cell.key: find(cell.config, fight.asked.runs_dir).path.parent.name for cell in checked.cells}
    return {k: found[key] for k, key in enumerate(checked.keys)}


def write_or_compare(fight: Fight, winners: Winners) -> None:
    """Write what was chosen; where it is written already, it must be the same.

    Raises:
        DamagedError: it is not.
        UserError: it cannot be written.
    """
    path = winners_folder(fight.folder) / file_name(winners.replicate)
    winners.write(path)
    if read_winners(path, fight.plan).rows != winners.rows:
        raise DamagedError(path, "says something else than the trials and the refits of this version", WAY_OUT)
