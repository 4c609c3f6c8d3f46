"""The files for sbatch: plain, readable, and fit to be submitted by hand. Torch-free."""

import re
import shlex
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from lossbench.config.sections import Trainer
from lossbench.config.values import one_line_path
from lossbench.errors import UserError
from lossbench.job.requeue import PATIENCE
from lossbench.launch.slurm.resources import Resources

# In the name of its own output file SLURM replaces % and drops \; a shell takes a quoted path as it is.
NO_OUTPUT = "--output=/dev/null"

RUN_OF_TASK = 'run=$(sed -n "$((SLURM_ARRAY_TASK_ID + 1))p" "$folder/runs.txt")', 'exec bash "${run:?}/job.sh"'
"""Task k of an array runs job.sh of line k + 1 of runs.txt."""
STACK_OF_TASK = ('exec bash "$folder/stack${SLURM_ARRAY_TASK_ID:?}.sh"',)
"""Task k of an array runs stack<k>.sh."""


def job_script(run: Path, resources: Resources, trainer: Trainer) -> str:
    """Write the file job.sh of one run: `sbatch job.sh` starts it, or goes on with it, on its own.

    Args:
        run: its directory, absolute.
        resources: what it asks for.
        trainer: its trainer settings; tasks and nodes follow from them.

    Raises:
        UserError: a path has a line break or a control character.
    """
    name, command = f"{run.parent.name}-{run.name}", ("lossbench.job", str(run))
    return _task_script(
        (NO_OUTPUT, *resources.options(trainer), f"--job-name={name}"),
        ("# One run, from its beginning or from its last checkpoint. On SIGUSR1, which comes before the time limit,",),
        run / "slurm.log",
        command,
        resources,
    )


def stack_script(listed: Path, resources: Resources, trainer: Trainer) -> str:
    """Write the file of one stack: `sbatch stack3.sh` starts it, or goes on with it, on its own.

    Args:
        listed: the list of its runs, absolute.
        resources: what it asks for.
        trainer: the trainer settings that all of them share.

    Raises:
        UserError: a path has a line break or a control character.
    """
    return _task_script(
        (NO_OUTPUT, *resources.options(trainer), f"--job-name={listed.parent.name}-{listed.stem}"),
        (
            f"# The runs of {listed.name} as one stack, from their beginning or from where it was saved.",
            "# On SIGUSR1, which comes before the time limit,",
        ),
        listed.with_suffix(".log"),
        ("lossbench.vectorized", str(listed)),
        resources,
    )


def _task_script(
    options: Sequence[str], about: Sequence[str], log: Path, command: Sequence[str], resources: Resources
) -> str:
    check_paths([log.parent])
    python = shlex.join([sys.executable, "-m", *command])
    return _script(
        options,
        *about,
        "# it saves and queues this job again. A task that fails ends the others at once.",
        f"exec >> {shlex.quote(str(log))} 2>&1",
        f"cd {shlex.quote(str(Path.cwd()))} || exit",
        f"export {PATIENCE}={resources.signal_seconds}",
        *resources.setup,
        f"exec srun --kill-on-bad-exit=1 --cpus-per-task={resources.cpus} {python}",
    )


def array_script(folder: Path, count: int, resources: Resources, trainer: Trainer, task: Sequence[str]) -> str:
    """Write the file that submits many tasks as one job array.

    Args:
        folder: where it lies, with runs.txt or the scripts of stacks; its name is the array's, by which its tasks are
            found again.
        count: tasks.
        resources: what each asks for.
        trainer: the trainer settings that all of them share.
        task: the lines that start a task, `RUN_OF_TASK` or `STACK_OF_TASK`.

    Raises:
        UserError: a path has a line break or a control character.
    """
    check_paths([folder])
    most = "" if resources.parallel is None else f"%{resources.parallel}"
    array = f"--job-name={folder.name}", f"--array=0-{count - 1}{most}"
    return _script([NO_OUTPUT, *resources.options(trainer), *array], f"folder={shlex.quote(str(folder))}", *task)


def check_paths(runs: Iterable[Path]) -> None:
    """Refuse paths that cannot stand in a script or in a list with one path a line.

    Raises:
        UserError: names the path.
    """
    places = {"the Python that runs lossbench": sys.executable, "the working directory": Path.cwd()}
    for name, path in (*places.items(), *(("runs_dir", run) for run in runs)):
        try:
            one_line_path(name, path)
        except ValueError as error:
            raise UserError(str(error)) from None


def _script(options: Iterable[str], *lines: str) -> str:
    return "\n".join(("#!/bin/bash", *(f"#SBATCH {directive(option)}" for option in options), *lines, ""))


def directive(option: str) -> str:
    """Quote an option as sbatch reads it in a script: blanks and # in double quotes, backslash before " and itself."""
    if re.fullmatch(r"[\w./,:=@%+-]+", option, re.ASCII):
        return option
    return '"' + re.sub(r'(["\\])', r"\\\1", option) + '"'
