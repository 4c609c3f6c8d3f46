"""Submit runs to SLURM as job arrays: one for all tasks of a study that need the same. Torch-free."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from lossbench.errors import UserError
from lossbench.launch.exits import is_locked
from lossbench.launch.progress import SweepProgress, number_of_runs
from lossbench.launch.slurm.arrays import JobArrays
from lossbench.launch.slurm.division import Divide, each_alone
from lossbench.launch.slurm.queue import largest_array, node_count, submit
from lossbench.launch.slurm.refusal import explained
from lossbench.launch.slurm.resources import Resources
from lossbench.rundir.directory import RunDirectory

Stacks = Sequence[Sequence[RunDirectory]]


def submit_missing(
    arrays: JobArrays, resources: Resources, progress: SweepProgress, divide: Divide = each_alone
) -> dict[RunDirectory, str]:
    """Submit the runs that are neither queued nor running.

    Args:
        arrays: those of the sweep's runs.
        resources: what each task asks for.
        progress: prints what is submitted.
        divide: says which runs are trained together.

    Returns:
        The runs that SLURM refuses, and why.

    Raises:
        UserError: squeue fails; nothing is submitted then.
    """
    refused: dict[RunDirectory, str] = {}
    with arrays.submitting():
        queued = arrays.tasks()
        if queued:
            progress.say(f"{len(queued)} of {len(arrays.runs)} runs are in SLURM's queue already")
        missing = [run for run in arrays.runs if run not in queued and not is_locked(run)]
        stacks, alone = _divided(arrays, missing, resources, divide, progress)
        for part in _alike([[run] for run in alone], arrays, resources):
            script = arrays.write([run for (run,) in part], resources)
            refused |= _submit(arrays, script, part, resources, progress)
        for part in _alike(stacks, arrays, resources):
            refused |= _submit(arrays, arrays.write_stacks(part, resources), part, resources, progress)
    return refused


def least_tasks(resources: Resources) -> int:
    """How many tasks should share a group of runs: what may go on at a time, else one for each node."""
    return resources.parallel or node_count(resources.partition)


def _divided(
    arrays: JobArrays, missing: Sequence[RunDirectory], resources: Resources, divide: Divide, progress: SweepProgress
) -> tuple[list[list[RunDirectory]], list[RunDirectory]]:
    """Divide runs into stacks and others, and say why the others are none."""
    configs = [arrays.planned[run].config for run in missing]
    divided = divide(configs, _together(arrays, missing), least_tasks(resources))
    alone: list[RunDirectory] = []
    for reason, places in divided.alone.items():
        if reason:
            progress.say(f"tasks of their own, {number_of_runs(len(places))}: {reason}")
        alone += [missing[k] for k in places]
    return [[missing[k] for k in places] for places in divided.stacks], alone


def _together(arrays: JobArrays, missing: Sequence[RunDirectory]) -> list[list[int]]:
    """The places of those runs that were in one stack before: what was saved of it goes on as it was."""
    place, together = {run: k for k, run in enumerate(missing)}, list[list[int]]()
    for stack in arrays.stacks_before():
        left = [place.pop(run) for run in stack if run in place]
        together += [left] if left else []
    return together


def _alike(tasks: Stacks, arrays: JobArrays, resources: Resources) -> Iterator[Stacks]:
    """Group tasks of one study with the same options of sbatch, at most as many as an array may have."""
    if not tasks:
        return
    groups: dict[tuple[Path, str], list[Sequence[RunDirectory]]] = {}
    for runs in tasks:
        options = resources.options(arrays.planned[runs[0]].config.trainer)
        groups.setdefault((runs[0].path.parents[1], repr(options)), []).append(runs)
    most = largest_array()
    for group in groups.values():
        for start in range(0, len(group), most):
            yield group[start : start + most]


def _counted(tasks: Stacks) -> str:
    """Word so many runs in so many tasks."""
    largest = max(len(runs) for runs in tasks)
    stacks = f"{len(tasks)} stacks of at most {largest}" if len(tasks) > 1 else "one stack"
    return f"{number_of_runs(sum(map(len, tasks)))}{f' in {stacks}' if largest > 1 else ''}"


def _submit(
    arrays: JobArrays, script: Path, tasks: Stacks, resources: Resources, progress: SweepProgress
) -> dict[RunDirectory, str]:
    """Submit one array; give its runs with the reason where SLURM refuses it."""
    try:
        job = submit(script)
    except UserError as error:
        reason = f"SLURM refuses the job: {explained(str(error), resources, tasks[0][0].config.trainer)}"
        runs = [run for task in tasks for run in task]
        for run in runs:
            run.set_status("failed", reason=reason)
        return dict.fromkeys(runs, reason)
    progress.say(f"submitted {_counted(tasks)} as job {job} ({script})")
    arrays.note_submitted(script, job)
    return {}
