"""Runs as SLURM jobs: submit what is not queued, wait for all. A launcher that dies is attached again. Torch-free."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from lossbench.errors import UserError, suggest
from lossbench.launch.progress import SweepProgress, number_of_runs
from lossbench.launch.slurm.arrays import JobArrays
from lossbench.launch.slurm.division import Divide, each_alone
from lossbench.launch.slurm.poll import QueuePoll
from lossbench.launch.slurm.queue import Task, cancel, require_slurm
from lossbench.launch.slurm.resources import Resources
from lossbench.launch.slurm.rules import check_count, check_seconds
from lossbench.launch.slurm.script import check_paths
from lossbench.launch.slurm.submit import submit_missing
from lossbench.rundir.directory import RunDirectory

OWN = ("wait", "poll_seconds", "stack", "max_runs")
"""Settings of the launcher that are not asked of the cluster."""


def check_launcher(resources: Mapping[str, Any], wait: object, poll_seconds: object, runs_dir: Path) -> None:
    """Refuse, before anything is planned, what would fail when jobs are submitted.

    Args:
        resources: the settings of `Resources`, as they are typed.
        wait: whether to wait for the results.
        poll_seconds: between two calls of squeue.
        runs_dir: where the runs lie.

    Raises:
        UserError: SLURM is missing, a setting does not exist or is wrong, or a path cannot stand in a job script.
    """
    known = [each.name for each in fields(Resources)]
    for name in resources:
        if name not in known:
            raise UserError(f"hydra.launcher.{name} does not exist; {suggest(name, (*known, *OWN))}")
    Resources(**resources).check()
    if not isinstance(wait, bool):
        raise UserError(f"hydra.launcher.wait must be true or false, got {wait!r}")
    check_seconds("poll_seconds", poll_seconds)
    check_paths([runs_dir.absolute()])
    require_slurm()


def check_stacks(stack: object, max_runs: object) -> None:
    """Refuse wrong settings of stacks.

    Raises:
        UserError: names the key, what was found and what is allowed.
    """
    if not isinstance(stack, bool):
        raise UserError(f"hydra.launcher.stack must be true or false, got {stack!r}")
    check_count("max_runs", max_runs, least=1)


def run_on_slurm(
    runs: Sequence[RunDirectory],
    progress: SweepProgress,
    resources: Resources,
    wait: bool = True,
    poll_seconds: float = 5.0,
    divide: Divide = each_alone,
) -> None:
    """Bring run directories to their results as SLURM jobs.

    Args:
        runs: planned directories, where every node sees them.
        progress: counts and prints how each ends.
        resources: what each task asks for.
        wait: whether to wait for the results; otherwise jobs are submitted and named.
        poll_seconds: between two calls of squeue.
        divide: says which runs are trained together in one task.

    Raises:
        UserError: a path cannot stand in a job script.
        KeyboardInterrupt: after Ctrl-C; the jobs run on unless the user cancels them.
    """
    check_paths(run.path.absolute() for run in runs)
    if not runs:
        return
    arrays = JobArrays(runs)
    refused = submit_missing(arrays, resources, progress, divide)
    for run, reason in refused.items():
        progress.started(arrays.planned[run])
        progress.finished(arrays.planned[run], None, reason)
    waiting = [run for run in arrays.runs if run not in refused]
    if wait:
        _wait(QueuePoll(arrays, waiting, resources, progress, poll_seconds), arrays)
    else:
        jobs = ", ".join(_job_numbers(arrays.tasks().values())) or "no job any more"
        progress.say(f"{number_of_runs(len(waiting))} with SLURM: {jobs}; the same command goes on from there")


def _wait(poll: QueuePoll, arrays: JobArrays) -> None:
    try:
        poll.run()
    except KeyboardInterrupt:
        offer_to_cancel(arrays)
        raise
    arrays.delete_finished()


def offer_to_cancel(arrays: JobArrays) -> None:
    """After Ctrl-C in a terminal, ask whether to cancel the jobs; elsewhere they go on."""
    tasks = arrays.tasks()
    if not tasks:
        return
    runs = number_of_runs(len(tasks))
    answer = ""
    if os.isatty(0) and os.isatty(2):
        answer = input(f"\n{runs} queued or running. Enter leaves them, c and Enter cancels them: ")
    if answer.strip().lower() == "c":
        jobs = sorted({task.job for task in tasks.values()})
        cancel(*jobs)
        print(f"cancelled {len(jobs)} jobs; runs that had begun have saved what they had")
    else:
        ends = f"scancel {' '.join(_job_numbers(tasks.values()))} ends them"
        print(f"\n{runs} going on without this command; it attaches to them again, {ends}")


def _job_numbers(tasks: Iterable[Task]) -> list[str]:
    return sorted({task.job.partition("_")[0] for task in tasks})
