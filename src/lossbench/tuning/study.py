"""The two folders of a tuned study, and what they hold. Torch-free."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lossbench.config.tuned import TRIALS, TUNED
from lossbench.metrics.units import unit_of
from lossbench.rundir.reading import DamagedError
from lossbench.tuning.files import WAY_OUT
from lossbench.tuning.plan import Plan, Row
from lossbench.tuning.winners import RowWinners, Winners, best_after, edges_of


@dataclass(frozen=True)
class Tuned:
    """A plan and its winners.

    Args:
        folder: plans/<data>-<model>-<hash8> in the study of the refits.
        plan: plan.json.
        winners: replicate -> what was chosen in it, rising.
    """

    folder: Path
    plan: Plan
    winners: Mapping[int, Winners]

    @property
    def study(self) -> Path:
        """The study of the refits."""
        return self.folder.parents[1]

    @property
    def trials(self) -> Path:
        """The study of the trials."""
        return trials_of(self.study)


def trials_of(tuned: Path) -> Path:
    """The study of the trials that belongs to a study of refits."""
    return tuned.with_name(f"{tuned.name.removesuffix(TUNED)}{TRIALS}")


def plan_path(folder: Path) -> Path:
    """The plan's file in its folder."""
    return folder / "plan.json"


def winners_folder(folder: Path) -> Path:
    """Where the winners of a plan's folder lie."""
    return folder / "winners"


def read_tuned(study: Path) -> list[Tuned]:
    """Read the plans of a study of refits, with their winners.

    Args:
        study: <runs_dir>/<study>.tuned.

    Returns:
        The plans, by name of their folders; none where it is another study.

    Raises:
        DamagedError: a file is damaged or edited.
    """
    folders = sorted(path.parent for path in study.glob("plans/*/plan.json"))
    return [read_one(folder) for folder in folders]


def read_one(folder: Path) -> Tuned:
    """Read the plan and the winners in a folder.

    Raises:
        DamagedError: a file is damaged, edited or of another plan.
    """
    plan = Plan.read(plan_path(folder))
    found = [read_winners(path, plan) for path in winners_folder(folder).glob("replicate*.json")]
    return Tuned(folder, plan, {each.replicate: each for each in sorted(found, key=lambda each: each.replicate)})


def read_winners(path: Path, plan: Plan) -> Winners:
    """Read the winners of a replicate.

    Raises:
        DamagedError: the file is damaged, edited or of another plan.
    """
    winners = Winners.read(path)
    whole = all(len(row.trials) == plan.trials for row in winners.rows.values())
    if winners.plan != plan.hash or [*winners.rows] != [row.name for row in plan.rows] or not whole:
        raise DamagedError(path, f"is not of the plan {plan.hash[:8]} beside it", WAY_OUT)
    for row in plan.rows:
        _require_chosen(path, winners.rows[row.name], row, plan.monitor)
    return winners


def _require_chosen(path: Path, found: RowWinners, row: Row, monitor: str) -> None:
    """Refuse a choice that is not what the rule says of the trials in the same file."""
    scores, ties = [each.score for each in found.trials], [each.nll for each in found.trials]
    after = best_after(scores, ties, higher_is_better=unit_of(monitor).higher_is_better)
    if found.best_after != after or found.edges != edges_of(row.space, found.winner.settings):
        raise DamagedError(path, f"holds another choice for {row.name} than its trials give", WAY_OUT)
