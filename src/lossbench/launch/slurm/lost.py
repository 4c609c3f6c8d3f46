"""Why runs have no result: SLURM is asked once for each task, however many runs it holds. Torch-free."""

from pathlib import Path

from lossbench.launch.exits import last_lines
from lossbench.launch.slurm.arrays import JobArrays
from lossbench.launch.slurm.queue import Task, cancel, ending
from lossbench.launch.slurm.refusal import explained
from lossbench.launch.slurm.resources import Resources
from lossbench.rundir.directory import RunDirectory


class Endings:
    """The reasons of runs that end without a result, and the output of their tasks.

    Args:
        arrays: those of the sweep's runs.
        resources: what each task asks for.
    """

    def __init__(self, arrays: JobArrays, resources: Resources) -> None:
        self.arrays, self.resources = arrays, resources
        self._refused: dict[str, str] = {}
        self._records: dict[str, str | None] = {}
        self._shown: set[Path] = set()
        self._said: set[tuple[Path, str]] = set()

    def refused(self, run: RunDirectory, task: Task) -> str:
        """Cancel a task that would never start; give the reason."""
        if task.job not in self._refused:
            cancel(task.job)
            why = explained(task.reason, self.resources, run.config.trainer)
            self._refused[task.job] = f"SLURM would never start job {task.job}: {why}"
        run.set_status("failed", reason=self._refused[task.job])
        return self._refused[task.job]

    def missing(self, run: RunDirectory) -> str:
        """Say why a run that has left the queue has no result: by its status.json, or else by SLURM's record."""
        status = run.status
        if status.get("status") in ("failed", "cancelled", "preempted") and "reason" in status:
            return str(status["reason"])
        job = self.arrays.job_of(run)
        record = self._record(job)
        reason = (
            record or f"SLURM no longer knows job {job}, and it has left no result; the same command submits it again"
        )
        cancelled = record is not None and "cancelled" in record
        run.set_status("cancelled" if cancelled else "failed", reason=reason)
        return reason

    def output(self, run: RunDirectory) -> list[str]:
        """The last lines that the task of a run has printed; [] where they were given before."""
        log = self.arrays.log_of(run)
        if log in self._shown:
            return []
        self._shown.add(log)
        return last_lines(log) or [f"no output in {log.name}: does every node see {log.parent}?"]

    def is_new(self, run: RunDirectory, reason: str | None) -> bool:
        """Whether how a run has ended is worth a line: results of a stack are not, a reason is once."""
        stack = self.arrays.stack_of(run)
        if stack is None:
            return True
        if reason is None or (stack, reason) in self._said:
            return False
        self._said.add((stack, reason))
        return True

    def _record(self, job: str | None) -> str | None:
        if job is None:
            return None
        if job not in self._records:
            self._records[job] = ending(job)
        return self._records[job]
