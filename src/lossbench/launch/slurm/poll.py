"""Wait for the runs of a sweep in SLURM's queue; name those that end without a result. Torch-free."""

import time
from collections.abc import Mapping, Sequence

from lossbench.errors import UserError, one_line
from lossbench.launch.exits import is_locked
from lossbench.launch.progress import SweepProgress, number_of_runs
from lossbench.launch.slurm.arrays import JobArrays
from lossbench.launch.slurm.lost import Endings
from lossbench.launch.slurm.queue import Task
from lossbench.launch.slurm.resources import Resources
from lossbench.rundir.directory import RunDirectory
from lossbench.rundir.reading import DamagedError
from lossbench.rundir.result import Result

POLLS_BEFORE_LOST = 2  # a shared file system may show a result later than the queue shows its end
COUNTS_SECONDS = 30.0  # between two lines that count the jobs
AWAY_SECONDS = 1800.0  # that squeue may fail without a break


class QueuePoll:
    """Poll the queue until every run has ended; only what has left it is looked at on the disk.

    Args:
        arrays: those of the sweep's runs.
        waiting: the runs to wait for.
        resources: what each task asks for.
        progress: counts and prints how each ends.
        poll_seconds: between two calls of squeue.
    """

    def __init__(
        self,
        arrays: JobArrays,
        waiting: Sequence[RunDirectory],
        resources: Resources,
        progress: SweepProgress,
        poll_seconds: float,
    ) -> None:
        self.arrays, self.waiting = arrays, dict.fromkeys(waiting)
        self.progress, self.poll_seconds = progress, poll_seconds
        self.endings = Endings(arrays, resources)
        self.started: set[RunDirectory] = set()
        self.absent = dict.fromkeys(waiting, 0)  # polls in a row in which a run was not in the queue
        self.failures = 0  # polls in a row in which squeue failed
        self.counts, self.counts_at = "", -COUNTS_SECONDS
        self.arrived: dict[str, int] = {}  # the task of a stack -> how many results have come since the last look

    def run(self) -> None:
        """Wait for all.

        Raises:
            UserError: squeue has failed for half an hour.
        """
        while self.waiting:
            began = time.monotonic()
            tasks = self._tasks()
            if tasks is None:
                time.sleep(self.poll_seconds)
                continue
            self._look(tasks)
            if self.waiting:
                self._print_counts(tasks)
                # A slow queue is polled less often.
                time.sleep(max(self.poll_seconds, 5 * (time.monotonic() - began)))

    def _tasks(self) -> dict[RunDirectory, Task] | None:
        """List the tasks; None where squeue fails: a controller that restarts takes minutes, and the jobs go on."""
        try:
            tasks = self.arrays.tasks()
        except UserError as error:
            self.failures += 1
            if self.failures == 1:
                self.progress.say(f"{one_line(error)}; looking again")
            if self.failures * max(self.poll_seconds, 1.0) > AWAY_SECONDS:
                raise
            return None
        self.failures = 0
        return tasks

    def _look(self, tasks: Mapping[RunDirectory, Task]) -> None:
        """See how each run stands, and name the stacks of which results have come."""
        for run in list(self.waiting):
            try:
                self._check(run, tasks.get(run))
            except DamagedError as error:  # the others go on
                self._end(run, one_line(error))
        for job, count in self.arrived.items():
            self.progress.say(f"[{self.progress.done}/{self.progress.total}] job {job}: {number_of_runs(count)} done")
        self.arrived.clear()

    def _check(self, run: RunDirectory, task: Task | None) -> None:
        if task is None:
            self._check_absent(run)
            return
        self.absent[run] = 0
        if not task.is_pending and run not in self.started:
            self.started.add(run)
            self.progress.started(self.arrays.planned[run])
        if task.never_starts:
            self._end(run, self.endings.refused(run, task))

    def _check_absent(self, run: RunDirectory) -> None:
        """End a run that has a result, or that has been out of the queue without one for two polls."""
        self.absent[run] += 1
        if (result := run.result()) is not None:
            self._end(run, None, result)
        elif self.absent[run] >= POLLS_BEFORE_LOST and not is_locked(run):
            self._end(run, self.endings.missing(run))
            for line in self.endings.output(run):
                self.progress.say(f"    {line}")

    def _end(self, run: RunDirectory, reason: str | None, result: Result | None = None) -> None:
        planned = self.arrays.planned[run]
        if run not in self.started:
            self.progress.started(planned)
        del self.waiting[run]
        if reason is None and self.arrays.stack_of(run) is not None:
            job = str(self.arrays.job_of(run))
            self.arrived[job] = self.arrived.get(job, 0) + 1
        self.progress.finished(planned, result, reason, say=self.endings.is_new(run, reason))

    def _print_counts(self, tasks: Mapping[RunDirectory, Task]) -> None:
        counts = count_tasks([*{tasks[run] for run in self.waiting if run in tasks}])
        if counts != self.counts and time.monotonic() - self.counts_at > COUNTS_SECONDS:
            self.progress.say(counts)
            self.counts, self.counts_at = counts, time.monotonic()


def count_tasks(tasks: Sequence[Task]) -> str:
    """Count the tasks that run and those that wait, with the reasons why."""
    pending = [task for task in tasks if task.is_pending]
    reasons = f" ({', '.join(sorted({task.reason for task in pending}))})" if pending else ""
    return f"SLURM: {len(tasks) - len(pending)} running, {len(pending)} waiting{reasons}"
