"""The refits of a fair fight as arms: in each replicate what was chosen after n trials, trained anew and tested."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lossbench.errors import UserError
from lossbench.report.arms import Arm, read_params
from lossbench.report.compare import OPEN
from lossbench.report.outcomes import has_diverged, is_spoilt
from lossbench.report.records import Record, find_runs, read_records
from lossbench.report.settings import differing_settings
from lossbench.tuning.plan import Row
from lossbench.tuning.study import Tuned

LOST = ("failed", "damaged", "invalid")
SHOWN_HASH = 8  # of a plan


@dataclass(frozen=True)
class Refits:
    """The refits of a plan, read once.

    Args:
        tuned: the plan and its winners.
        records: directory -> run; one that does not exist yet is planned.
        failed: replicates of the plan without winners, none of whose runs is still to be done.
        waiting: trials that are still to be done.
    """

    tuned: Tuned
    records: Mapping[Path, Record]
    failed: tuple[int, ...] = ()
    waiting: int = 0

    @property
    def done(self) -> list[Record]:
        """All that are done."""
        return [record for record in self.records.values() if record.result is not None]

    @property
    def missing(self) -> list[Record]:
        """All without a result."""
        return [record for record in self.records.values() if record.result is None]

    @property
    def to_do(self) -> int:
        """How many trials and refits are still to be done."""
        return self.waiting + sum(record.state in OPEN for record in self.missing)

    def of(self, row: Row, n: int) -> dict[int, Record]:
        """Replicate -> refit of what was chosen for a row after n trials."""
        places = {r: refit_path(self.tuned, row, r, n) for r in self.tuned.winners}
        return {r: self.records[path] for r, path in places.items()}

    def arms_after(self, n: int) -> list[Arm]:
        """The rows with an outcome after n trials, as arms; searched settings are left out of their parameters."""
        found = {row.digest: self.of(row, n) for row in self.tuned.plan.rows}
        params = {row.digest: _params(row, found[row.digest]) for row in self.tuned.plan.rows}
        settings = _settings({digest: each for digest, each in params.items() if each})
        arms = [
            _arm(row, found[row.digest], params[row.digest], settings.get(row.digest, {}))
            for row in self.tuned.plan.rows
        ]
        return [arm for arm in arms if arm.runs or arm.diverged]

    def lost(self, row: Row, n: int) -> list[int]:
        """Replicates in which a row has no outcome after n trials, for another reason than divergence."""
        failed = [r for r, run in self.of(row, n).items() if run.state in LOST and not has_diverged(run)]
        return sorted([*self.failed, *failed])


def _arm(row: Row, runs: Mapping[int, Record], params: Mapping[str, Any], settings: Mapping[str, Any]) -> Arm:
    done = {r: run for r, run in runs.items() if run.result is not None and not is_spoilt(run)}
    diverged = {r: run for r, run in runs.items() if has_diverged(run) or _is_spoilt(run)}
    return Arm(row.name, row.loss, row.digest, settings, params, done, diverged)


def refit_path(tuned: Tuned, row: Row, replicate: int, n: int) -> Path:
    """The directory of the refit of what was chosen for a row after n trials."""
    folder = tuned.winners[replicate].rows[row.name].refit_after(n)
    return tuned.study / folder / f"replicate{replicate}"


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
        raise UserError(f"{tuned.folder}: none of its {len(paths)} refits is done; {_way_on(len(paths))}")
    return refits


def _way_on(to_do: int) -> str:
    return f"the command that started it does what is missing ({to_do} runs or more)"


def _paths(tuned: Tuned) -> Iterator[Path]:
    for replicate, winners in tuned.winners.items():
        for row in tuned.plan.rows:
            for n in winners.rows[row.name].best_after:
                yield refit_path(tuned, row, replicate, n)


def _without_winners(tuned: Tuned) -> tuple[list[int], int]:
    """The replicates of the plan that can have no winners as things are, and the trials still to be done."""
    lacking = {replicate for replicate in tuned.plan.replicates if replicate not in tuned.winners}
    if not lacking:
        return [], 0
    waiting = [run for run in _trials(tuned) if run.state in OPEN and run.name.unit in lacking]
    return [*lacking - {run.name.unit for run in waiting}], len(waiting)


def _trials(tuned: Tuned) -> list[Record]:
    """The trials on the data and the model of a plan; none where their study was removed."""
    runs = find_runs([tuned.trials]) if tuned.trials.is_dir() else []
    return [record for record in read_records(runs) if _is_of(record, tuned)]


def _is_of(record: Record, tuned: Tuned) -> bool:
    return record.name.setting.startswith(f"{tuned.plan.data}-{tuned.plan.model}-")


def _is_spoilt(record: Record) -> bool:
    return record.result is not None and is_spoilt(record)


def _params(row: Row, runs: Mapping[int, Record]) -> dict[str, Any]:
    """The configuration that a row's refits share; {} where none can be read."""
    searched = {each.key for each in row.space.dimensions}
    for run in runs.values():
        found = run.params or (read_params(run) or ("", {}))[1]
        if found:
            return {key: value for key, value in found.items() if key not in searched}
    return {}


def _settings(params: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """The settings in which rows of one loss differ."""
    own = {digest: {k: v for k, v in each.items() if k.startswith("loss.")} for digest, each in params.items()}
    return {
        digest: {key: value for key, value in each.items() if key != "loss.name"}
        for digest, each in differing_settings(own).items()
    }
