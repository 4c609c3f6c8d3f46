"""The files for sbatch: plain, readable, and fit to be submitted by hand. Torch-free."""

import shlex
import sys
from pathlib import Path

from lossbench.config.schema import Trainer
from lossbench.launch.slurm.resources import Resources


def job_script(run: Path, resources: Resources, trainer: Trainer) -> str:
    """Write the file job.sh of one run: `sbatch job.sh` starts it, or goes on with it, on its own.

    Args:
        run: its directory, absolute.
        resources: what it asks for.
        trainer: its trainer settings; tasks and nodes follow from them.
    """
    options = [*resources.options(trainer), f"--job-name={run.parent.name}-{run.name}", f"--output={run}/slurm.log"]
    command = f"{shlex.quote(sys.executable)} -m lossbench.job {shlex.quote(str(run))}"
    return _script(
        options,
        "# One run, from its beginning or from its last checkpoint. On SIGUSR1, which comes before the time limit,",
        "# the run saves and queues this job again. A task that fails ends the others at once.",
        *resources.setup,
        f"exec srun --kill-on-bad-exit=1 --cpus-per-task={resources.cpus} {command}",
    )


def array_script(folder: Path, name: str, count: int, resources: Resources, trainer: Trainer) -> str:
    """Write the file that submits many runs as one job array: task k runs job.sh of line k + 1 of runs.txt.

    Args:
        folder: where it lies, with runs.txt.
        name: the array's, by which its tasks are found again.
        count: runs.
        resources: what each asks for.
        trainer: the trainer settings that all of them share.
    """
    most = "" if resources.parallel is None else f"%{resources.parallel}"
    array = [f"--job-name={name}", f"--array=0-{count - 1}{most}", f"--output={folder}/%a.log"]
    return _script(
        [*resources.options(trainer), *array],
        f'run=$(sed -n "$((SLURM_ARRAY_TASK_ID + 1))p" {shlex.quote(str(folder / "runs.txt"))})',
        'exec bash "$run/job.sh" >> "$run/slurm.log" 2>&1',
    )


def _script(options: list[str], *lines: str) -> str:
    return "\n".join(("#!/bin/bash", *(f"#SBATCH {option}" for option in options), *lines, ""))
