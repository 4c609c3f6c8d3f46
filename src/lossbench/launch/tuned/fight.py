"""A fair fight that is checked as a whole before anything is written. Torch-free."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from lossbench.config.facts import Cache
from lossbench.config.resolve import Check
from lossbench.errors import UserError
from lossbench.launch.expand import Job
from lossbench.launch.outlook.runs import look_up
from lossbench.launch.plan import Checked, check_jobs
from lossbench.launch.tuned.asked import Asked
from lossbench.launch.tuned.jobs import Entry
from lossbench.report.spec import ComparisonSpec
from lossbench.tuning.plan import Plan
from lossbench.tuning.points import points
from lossbench.tuning.study import read_winners, winners_folder
from lossbench.tuning.winners import Winners, file_name


class TrialJob(NamedTuple):
    """A trial: its place in the fair fight, its settings, and the job that makes it."""

    replicate: int
    row: str
    trial: int
    settings: Mapping[str, float]
    job: Job


class RefitJob(NamedTuple):
    """A run with chosen settings: its row, the trial that they are of, and the job that makes it."""

    replicate: int
    row: str
    trial: int
    job: Job


@dataclass(frozen=True)
class Fight:
    """What is to be done.

    Args:
        asked: by the command.
        plan: its question.
        replicates: of this command, rising.
        entries: the rows with their overrides.
        spec: what the report compares.
        compose: gives the configuration of a job.
        check_supported: refuses what the launcher cannot run.
        cache: of data sets.
    """

    asked: Asked
    plan: Plan
    replicates: tuple[int, ...]
    entries: Sequence[Entry]
    spec: ComparisonSpec
    compose: Callable[[Job], dict[str, Any]]
    check_supported: Check
    cache: Cache

    @property
    def folder(self) -> Path:
        """Where the plan and its winners lie."""
        return self.asked.folder / "plans" / self.plan.folder

    def checked(self, jobs: Sequence[Job]) -> Checked:
        """Compose and check some jobs.

        Raises:
            UserError: a mistake in any of them, or a loss that is not defined at one of its points.
        """
        checked = check_jobs(jobs, self.compose, self.check_supported, cache=self.cache)
        for cell in checked.cells:
            if cell.config.invalid is not None:
                raise UserError(f"{cell.job.label}: {cell.config.invalid}; search another range")
        return checked

    def to_do(self, trials: Checked) -> int:
        """Count the trials that have no result yet."""
        runs_dir = self.asked.runs_dir
        if not (runs_dir / self.asked.trials_study).exists():
            return len(trials.cells)
        return sum(look_up(cell.config, runs_dir, force=False).state == "to do" for cell in trials.cells)

    def winners(self) -> dict[int, Winners]:
        """Read what was chosen in earlier starts, of the replicates of this command.

        Raises:
            DamagedError: a file is damaged, or of another plan.
        """
        folder = winners_folder(self.folder)
        paths = {replicate: folder / file_name(replicate) for replicate in self.replicates}
        return {replicate: read_winners(path, self.plan) for replicate, path in paths.items() if path.exists()}

    def trials(self, replicates: Sequence[int]) -> list[TrialJob]:
        """List the trials of some replicates, whole replicates one after another."""
        return [trial for replicate in replicates for entry in self.entries for trial in self._trials(entry, replicate)]

    def _trials(self, entry: Entry, replicate: int) -> list[TrialJob]:
        row, study = entry.row, self.asked.trials_study
        found = enumerate(points(row.space, row.default, self.plan.trials, replicate, row.scramble), 1)
        return [TrialJob(replicate, row.name, k, each, entry.trial(study, replicate, k, each)) for k, each in found]

    def refits(self, replicate: int, row: str, settings: Mapping[int, Mapping[str, float]]) -> list[RefitJob]:
        """List the runs with the settings of chosen trials of a row."""
        entry, study = next(each for each in self.entries if each.row.name == row), self.asked.tuned_study
        return [RefitJob(replicate, row, k, entry.refit(study, replicate, each)) for k, each in settings.items()]
