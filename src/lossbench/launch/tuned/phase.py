"""The trials, or the refits, of a fair fight: brought to their ends together. Torch-free."""

from collections.abc import Sequence
from dataclasses import dataclass

from lossbench.launch.bring import Launch, bring, failures, find_damaged_results, name_failed, summary
from lossbench.launch.plan import Checked, Key, Planned, plan_checked
from lossbench.launch.progress import SweepProgress
from lossbench.launch.tuned.choice import has_ended
from lossbench.report.outcomes import has_diverged
from lossbench.report.records import read_record
from lossbench.rundir.directory import RunDirectory


@dataclass(frozen=True)
class Phase:
    """Runs that were brought to their ends, or as far as they came.

    Args:
        what: trials or refits.
        planned: their directories.
        keys: of the jobs, in their order.
        progress: what became of those that were missing.
        diverged: those that became NaN or infinite in this start, which is an outcome.
        waiting: those that still go on elsewhere.
    """

    what: str
    planned: Planned
    keys: Sequence[Key]
    progress: SweepProgress
    diverged: Sequence[RunDirectory]
    waiting: int

    def run(self, job: int) -> RunDirectory | None:
        """The directory of a job; None where it is damaged."""
        return self.planned.by_key.get(self.keys[job])

    def words(self) -> str | None:
        """What became of them, where it is not that all are done."""
        if self.waiting:
            return f"{self.waiting:,} {self.what} are still to be done; the same command goes on"
        if self.diverged:
            return f"{len(self.diverged):,} {self.what} diverged, which counts as their outcome"
        return None

    def failures(self) -> str | None:
        """Name those that failed in another way, and say how many; None where there is none."""
        failed = len(self.progress.failed) - len(self.diverged)
        if not failed and not self.planned.damaged:
            return None
        name_failed(self.planned, self.progress, but=self.diverged)
        return failures(self.planned, failed, None, self.what)


def run_phase(what: str, checked: Checked, launch: Launch, command: list[str], shown: str) -> Phase:
    """Plan runs and bring those to their ends that have none.

    Args:
        what: trials or refits.
        checked: the runs, at least one.
        launch: brings planned directories to their results.
        command: what the user typed, for the record.
        shown: a metric of their results.
    """
    planned = plan_checked(checked, command)
    todo = [run for run in planned.labels if not has_ended(read_record(run.path))]
    print(f"{what}: {summary(planned, todo)}", flush=True)
    progress = SweepProgress(planned.labels, todo, shown, what)
    if todo:
        bring(launch, todo, progress, planned, forced=False)
    progress.close()
    find_damaged_results(planned, progress)
    diverged = [run for run in progress.failed if has_diverged(read_record(run.path))]
    waiting = len(todo) - progress.done - len(progress.failed)
    return Phase(what, planned, checked.keys, progress, diverged, waiting)
