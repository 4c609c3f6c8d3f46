"""The job arrays of a sweep on disk: which task is which runs is written before anything is submitted. Torch-free."""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

from lossbench.errors import OwnedError
from lossbench.launch.slurm.queue import Task, tasks_of
from lossbench.launch.slurm.resources import Resources
from lossbench.launch.slurm.script import RUN_OF_TASK, STACK_OF_TASK, array_script, job_script, stack_script
from lossbench.rundir.contents import check_places
from lossbench.rundir.directory import RunDirectory
from lossbench.rundir.files import synced_together, write_atomic
from lossbench.rundir.lock import Lock

FOLDER = ".slurm"  # of a study: one folder for each array, with the array's name


class Share(NamedTuple):
    """What one task of an array does.

    Args:
        runs: one, or those of a stack.
        stack: the list of a stack's runs; None for a run alone.
    """

    runs: Sequence[RunDirectory]
    stack: Path | None = None

    @property
    def log_path(self) -> Path:
        """Where the output of the task goes."""
        return self.runs[0].path / "slurm.log" if self.stack is None else self.stack.with_suffix(".log")


class JobArrays:
    """The arrays that hold the runs of a sweep, those of earlier launchers included.

    Args:
        runs: planned directories.

    Raises:
        UserError: the folder of the arrays is a link that leads out of its study.
    """

    def __init__(self, runs: Sequence[RunDirectory]) -> None:
        self.planned = {RunDirectory(run.path.absolute()): run for run in runs}  # jobs get absolute paths
        self.runs = list(self.planned)
        self.studies = list(dict.fromkeys(run.path.parents[1] for run in self.runs))
        for folder in (study / FOLDER for study in self.studies):
            check_places(folder, *folder.glob("*"))
        self.last: dict[RunDirectory, tuple[str, Share]] = {}  # the task of each run when it was last queued
        self._listed: dict[Path, list[Share]] = {}

    def tasks(self) -> dict[RunDirectory, Task]:
        """List the tasks of these runs that are queued or running.

        Raises:
            UserError: squeue fails.
        """
        listed = {folder.name: self._shares(folder) for folder in self._folders()}
        found: dict[RunDirectory, Task] = {}
        for name, tasks in (tasks_of(list(listed)) if listed else {}).items():
            for index, task in tasks.items():
                share = listed[name][index]
                for run in share.runs:
                    if run in self.planned:
                        found[run], self.last[run] = task, (task.job, share)
        return found

    def job_of(self, run: RunDirectory) -> str | None:
        """The task that a run was last in, such as 17_3; None where there was none."""
        return self.last[run][0] if run in self.last else None

    def stack_of(self, run: RunDirectory) -> Path | None:
        """The list of the stack that a run was last in; None of a run alone."""
        return self.last[run][1].stack if run in self.last else None

    def log_of(self, run: RunDirectory) -> Path:
        """Where the output goes of the task that a run was last in."""
        return (self.last[run][1] if run in self.last else Share([run])).log_path

    def stacks_before(self) -> Iterator[Sequence[RunDirectory]]:
        """The runs of each stack of an earlier array, the newest first."""
        for folder in sorted(self._folders(), key=lambda folder: -folder.lstat().st_mtime):
            yield from (share.runs for share in self._shares(folder) if share.stack is not None)

    def write(self, runs: Sequence[RunDirectory], resources: Resources) -> Path:
        """Write job.sh of each run and the files of one array of them; give its script."""
        folder, trainer = _new_folder(runs[0]), runs[0].config.trainer
        with synced_together():
            for run in runs:
                _write_text(run.path / "job.sh", job_script(run.path, resources, run.config.trainer))
            _set_planned(runs)
            _write_text(folder / "runs.txt", _lines(runs))
            _write_text(folder / "array.sh", array_script(folder, len(runs), resources, trainer, RUN_OF_TASK))
        return folder / "array.sh"

    def write_stacks(self, stacks: Sequence[Sequence[RunDirectory]], resources: Resources) -> Path:
        """Write a list and a script for each stack, and those of one array of them; give the array's script."""
        folder, trainer = _new_folder(stacks[0][0]), self.planned[stacks[0][0]].config.trainer
        runs = [run for stack in stacks for run in stack]
        with synced_together():
            _set_planned(runs)
            for k, stack in enumerate(stacks):
                listed = folder / f"stack{k}.txt"
                _write_text(listed, _lines(stack))
                _write_text(listed.with_suffix(".sh"), stack_script(listed, resources, trainer))
            _write_text(folder / "runs.txt", _lines(runs))
            _write_text(folder / "array.sh", array_script(folder, len(stacks), resources, trainer, STACK_OF_TASK))
        return folder / "array.sh"

    def note_submitted(self, script: Path, job: str) -> None:
        """Remember which task is whose."""
        for index, share in enumerate(self._shares(script.parent)):
            self.last |= dict.fromkeys(share.runs, (f"{job}_{index}", share))

    @contextmanager
    def submitting(self) -> Iterator[None]:
        """Let one launcher at a time list what is queued and submit the rest."""
        with ExitStack() as stack:
            for study in self.studies:
                (study / FOLDER).mkdir(parents=True, exist_ok=True)
                lock = Lock(study / FOLDER / "submitting.json")
                _wait_for(lock)
                stack.callback(lock.release)
            yield

    def delete_finished(self) -> None:
        """Delete the files of arrays whose runs all have results."""
        for folder in self._folders():
            if all(run.result_path.exists() for share in self._shares(folder) for run in share.runs):
                for file in folder.iterdir():
                    file.unlink()
                folder.rmdir()

    def _folders(self) -> list[Path]:
        return [path.parent for study in self.studies for path in sorted((study / FOLDER).glob("*/runs.txt"))]

    def _shares(self, folder: Path) -> list[Share]:
        """What each task of an array does: these files never change."""
        if folder not in self._listed:
            self._listed[folder] = _shares_in(folder)
        return self._listed[folder]


def runs_in(path: Path) -> list[RunDirectory]:
    """Read a list of run directories, one a line."""
    return [RunDirectory(Path(line)) for line in path.read_text("utf-8").split("\n") if line]


def _shares_in(folder: Path) -> list[Share]:
    """Task k is stack<k>.txt, or line k + 1 of runs.txt."""
    stacks = [folder / f"stack{k}.txt" for k in range(len([*folder.glob("stack*.txt")]))]
    if stacks:
        return [Share(runs_in(path), path) for path in stacks]
    return [Share([run]) for run in runs_in(folder / "runs.txt")]


def _new_folder(run: RunDirectory) -> Path:
    """Make a folder for an array; its name is the array's, by which its tasks are found again."""
    folder = run.path.parents[1] / FOLDER / f"lossbench-{uuid4().hex[:8]}"
    folder.mkdir(parents=True)
    return folder


def _set_planned(runs: Sequence[RunDirectory]) -> None:
    """Record that the failure of an earlier attempt is over."""
    for run in runs:
        if (status := run.status).get("status") != "planned":
            run.set_status("planned", status)


def _lines(runs: Sequence[RunDirectory]) -> str:
    return "".join(f"{run.path}\n" for run in runs)


def _wait_for(lock: Lock) -> None:
    while True:
        try:
            return lock.take()
        except OwnedError:
            time.sleep(0.5)


def _write_text(path: Path, text: str) -> None:
    write_atomic(path, lambda file: file.write(text.encode()))
