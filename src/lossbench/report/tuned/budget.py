"""What a fair fight cost: runs, steps and seconds of trials and refits, by row."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from lossbench.meter import duration
from lossbench.report.formatting import counted
from lossbench.report.records import Record
from lossbench.report.tables import EMPTY, Table, words_cell
from lossbench.report.tuned.refits import Refits
from lossbench.tuning.plan import Row
from lossbench.tuning.winners import Trial

COLUMNS = (
    "loss",
    "trials",
    "steps of trials",
    "time of trials",
    "diverged\ntrials",
    "refits",
    "steps of refits",
    "time of refits",
)
EQUAL = (
    "The budget is equal in trials and in steps: every loss has {trials} trials of {steps:,} steps in each of "
    "{replicates}, and so has the baseline's twin; a trial that diverges has spent its budget. Time is shown, not "
    "equalised{shares}. Refits are new trainings of what was chosen after 1, 2, 4, ... and all trials; what was chosen "
    "more than once is trained once. The last row counts once what the baseline and its twin share, such as trial 1."
)
SHARES = "; of runs that were trained together it is their share"


class Spent(NamedTuple):
    """Runs, their updates and their wall-clock time, s."""

    runs: int
    steps: int
    seconds: float

    def cells(self) -> list[str]:
        """As a table shows it."""
        return [f"{self.runs:,}", f"{self.steps:,}", duration(self.seconds) if self.runs else EMPTY]


def budget_table(refits: Refits) -> Table:
    """Make the table, a row a loss and one of all; a run that two rows share counts once in that of all."""
    plan = refits.tuned.plan
    trials = {row.name: trials_of(refits, row) for row in plan.rows}
    again = {row.name: _refits_of(refits, row) for row in plan.rows}
    rows = [_row(name, trials[name], again[name]) for name in trials]
    every = _distinct(trial for each in trials.values() for trial in each)
    rows.append(_row("all", every, refits.done))
    numbers = [_numbers(name, trials[name], again[name]) for name in trials]
    return Table("budget", "Budget: trials and refits", COLUMNS, rows, numbers, note=words(refits))


def words(refits: Refits) -> str:
    """What is equal, and what is not, in sentences."""
    plan = refits.tuned.plan
    together = any((run.done_result.stacked_runs or 1) > 1 for run in refits.done)
    replicates = counted(len(refits.tuned.winners), "replicate")
    return EQUAL.format(trials=plan.trials, steps=plan.steps, replicates=replicates, shares=SHARES if together else "")


def total_seconds(refits: Refits) -> float:
    """Wall-clock time of all trials and refits, each run once."""
    every = _distinct(trial for row in refits.tuned.plan.rows for trial in trials_of(refits, row))
    return _spent_on_trials(every).seconds + _spent_on_runs(refits.done).seconds


def total_trials(refits: Refits) -> int:
    """How many different runs were trials."""
    return len(_distinct(trial for row in refits.tuned.plan.rows for trial in trials_of(refits, row)))


def trials_of(refits: Refits, row: Row) -> list[Trial]:
    """All trials of a row, by replicate."""
    return [trial for winners in refits.tuned.winners.values() for trial in winners.rows[row.name].trials]


def _refits_of(refits: Refits, row: Row) -> list[Record]:
    ns = {n for winners in refits.tuned.winners.values() for n in winners.rows[row.name].best_after}
    found = {run.path: run for n in ns for run in refits.of(row, n).values() if run.result is not None}
    return [*found.values()]


def _distinct(trials: Iterable[Trial]) -> list[Trial]:
    return [*{trial.run: trial for trial in trials}.values()]


def _row(name: str, trials: Sequence[Trial], again: Sequence[Record]) -> list[str]:
    diverged = sum(trial.outcome == "diverged" for trial in trials)
    cells = [*_spent_on_trials(trials).cells(), str(diverged) if diverged else EMPTY, *_spent_on_runs(again).cells()]
    return [words_cell(name), *cells]


def _spent_on_trials(trials: Sequence[Trial]) -> Spent:
    return Spent(len(trials), sum(trial.steps for trial in trials), sum(trial.seconds for trial in trials))


def _spent_on_runs(runs: Sequence[Record]) -> Spent:
    results = [run.done_result for run in runs]
    return Spent(len(runs), sum(result.steps for result in results), sum(result.seconds for result in results))


def _numbers(name: str, trials: Sequence[Trial], again: Sequence[Record]) -> Mapping[str, Any]:
    spent = {"trials": _spent_on_trials(trials), "refits": _spent_on_runs(again)}
    numbers: dict[str, Any] = {"row": name}
    for kind, each in spent.items():
        numbers |= {kind: each.runs, f"steps_of_{kind}": each.steps, f"seconds_of_{kind}": each.seconds}
    return numbers | {"diverged_trials": sum(trial.outcome == "diverged" for trial in trials)}
