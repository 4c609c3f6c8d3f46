"""The job arrays of a sweep on disk: which task is which run is written before anything is submitted. Torch-free."""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from uuid import uuid4

from lossbench.errors import OwnedError
from lossbench.launch.slurm.queue import Task, tasks_of
from lossbench.launch.slurm.resources import Resources
from lossbench.launch.slurm.script import array_script, job_script
from lossbench.rundir.contents import check_places
from lossbench.rundir.directory import RunDirectory
from lossbench.rundir.files import synced_together, write_atomic
from lossbench.rundir.lock import Lock

FOLDER = ".slurm"  # of a study: one folder for each array, with the array's name


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
        self.last_job: dict[RunDirectory, str] = {}  # the task of each run when it was last queued

    def tasks(self) -> dict[RunDirectory, Task]:
        """List the tasks of these runs that are queued or running.

        Raises:
            UserError: squeue fails.
        """
        listed = {folder.name: _runs_in(folder) for folder in self._folders()}
        found: dict[RunDirectory, Task] = {}
        for name, tasks in (tasks_of(list(listed)) if listed else {}).items():
            for index, task in tasks.items():
                run = listed[name][index]
                if run in self.planned:
                    found[run], self.last_job[run] = task, task.job
        return found

    def write(self, runs: Sequence[RunDirectory], resources: Resources) -> Path:
        """Write job.sh of each run and the files of one array of them; give its script."""
        name, trainer = f"lossbench-{uuid4().hex[:8]}", runs[0].config.trainer
        folder = runs[0].path.parents[1] / FOLDER / name
        folder.mkdir(parents=True)
        with synced_together():
            for run in runs:
                _write_text(run.path / "job.sh", job_script(run.path, resources, run.config.trainer))
                run.set_status("planned")  # the failure of an earlier attempt is over
            _write_text(folder / "runs.txt", "".join(f"{run.path}\n" for run in runs))
            _write_text(folder / "array.sh", array_script(folder, name, len(runs), resources, trainer))
        return folder / "array.sh"

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
            if all(run.result_path.exists() for run in _runs_in(folder)):
                for file in folder.iterdir():
                    file.unlink()
                folder.rmdir()

    def _folders(self) -> list[Path]:
        return [path.parent for study in self.studies for path in sorted((study / FOLDER).glob("*/runs.txt"))]


def _runs_in(folder: Path) -> list[RunDirectory]:
    """The runs of an array: task k is line k + 1."""
    return [RunDirectory(Path(line)) for line in (folder / "runs.txt").read_text("utf-8").split("\n") if line]


def _wait_for(lock: Lock) -> None:
    while True:
        try:
            return lock.take()
        except OwnedError:
            time.sleep(0.5)


def _write_text(path: Path, text: str) -> None:
    write_atomic(path, lambda file: file.write(text.encode()))
