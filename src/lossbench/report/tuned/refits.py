"""The refits of a fair fight as arms: in each replicate what was chosen after n trials, trained anew and tested."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lossbench.report.arms import Arm, read_params
from lossbench.report.compare import OPEN
from lossbench.report.outcomes import has_diverged, is_spoilt
from lossbench.report.records import Record
from lossbench.report.settings import differing_settings
from lossbench.tuning.plan import Row
from lossbench.tuning.study import Tuned

LOST = ("failed", "damaged", "invalid")
OWN = ("loss.", "head")


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
        """Replicates in which the refit of what was chosen after n trials failed for another reason than divergence."""
        return [r for r, run in self.of(row, n).items() if run.state in LOST and not has_diverged(run)]


def _arm(row: Row, runs: Mapping[int, Record], params: Mapping[str, Any], settings: Mapping[str, Any]) -> Arm:
    done = {r: run for r, run in runs.items() if run.result is not None and not is_spoilt(run)}
    diverged = {r: run for r, run in runs.items() if has_diverged(run) or _is_spoilt(run)}
    return Arm(row.name, row.loss, row.digest, settings, params, done, diverged)


def refit_path(tuned: Tuned, row: Row, replicate: int, n: int) -> Path:
    """The directory of the refit of what was chosen for a row after n trials."""
    folder = tuned.winners[replicate].rows[row.name].refit_after(n)
    return tuned.study / folder / f"replicate{replicate}"


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
    """The settings of losses and heads in which rows differ."""
    own = {digest: {k: v for k, v in each.items() if k.startswith(OWN)} for digest, each in params.items()}
    return {
        digest: {key: value for key, value in each.items() if key != "loss.name"}
        for digest, each in differing_settings(own).items()
    }
