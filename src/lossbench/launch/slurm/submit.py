"""Submit runs to SLURM as job arrays: one for all runs of a study that need the same. Torch-free."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from lossbench.errors import UserError
from lossbench.launch.exits import is_locked
from lossbench.launch.progress import SweepProgress, number_of_runs
from lossbench.launch.slurm.arrays import JobArrays
from lossbench.launch.slurm.queue import largest_array, submit
from lossbench.launch.slurm.refusal import explained
from lossbench.launch.slurm.resources import Resources
from lossbench.rundir.directory import RunDirectory


def submit_missing(arrays: JobArrays, resources: Resources, progress: SweepProgress) -> dict[RunDirectory, str]:
    """Submit the runs that are neither queued nor running.

    Args:
        arrays: those of the sweep's runs.
        resources: what each run asks for.
        progress: prints what is submitted.

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
        for chunk in _alike(missing, resources):
            refused |= _submit(arrays, chunk, resources, progress)
    return refused


def _alike(runs: Sequence[RunDirectory], resources: Resources) -> Iterator[list[RunDirectory]]:
    """Group runs of one study with the same options of sbatch, at most as many as an array may have."""
    if not runs:
        return
    groups: dict[tuple[Path, str], list[RunDirectory]] = {}
    for run in runs:
        options = resources.options(run.config.trainer)
        groups.setdefault((run.path.parents[1], repr(options)), []).append(run)
    most = largest_array()
    for group in groups.values():
        for start in range(0, len(group), most):
            yield group[start : start + most]


def _submit(
    arrays: JobArrays, runs: Sequence[RunDirectory], resources: Resources, progress: SweepProgress
) -> dict[RunDirectory, str]:
    """Submit one array; give its runs with the reason where SLURM refuses it."""
    script = arrays.write(runs, resources)
    try:
        job = submit(script)
    except UserError as error:
        reason = f"SLURM refuses the job: {explained(str(error), resources, runs[0].config.trainer)}"
        for run in runs:
            run.set_status("failed", reason=reason)
        return dict.fromkeys(runs, reason)
    progress.say(f"submitted {number_of_runs(len(runs))} as job {job} ({script})")
    arrays.last_job |= {run: f"{job}_{index}" for index, run in enumerate(runs)}
    return {}
