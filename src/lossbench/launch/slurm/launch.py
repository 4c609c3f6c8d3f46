"""Runs through SLURM: submit what is not queued, wait for all, name what fails. Its jobs are found again by their names."""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from lossbench.errors import OwnedError, UserError, one_line
from lossbench.launch.processes import last_lines
from lossbench.launch.progress import SweepProgress
from lossbench.launch.slurm.queue import NEVER, Task, cancel, ending, largest_array, require_slurm, submit, tasks_of
from lossbench.launch.slurm.script import Resources, array_script, job_script
from lossbench.rundir.directory import RunDirectory
from lossbench.rundir.files import synced_together, write_atomic
from lossbench.rundir.lock import Lock, is_alive, read_owner

FOLDER = ".slurm"  # of a study: one folder for each array, named as SLURM knows it
LOOKS_BEFORE_LOST = 2  # a shared file system may show a result later than the queue shows its end
SAY_SECONDS = 30.0
AWAY_SECONDS = 1800.0  # that the queue may be out of reach


def run_on_slurm(
    runs: Sequence[RunDirectory],
    progress: SweepProgress,
    resources: Resources,
    wait: bool = True,
    poll_seconds: float = 5.0,
) -> None:
    """Bring run directories to their results as SLURM jobs.

    Args:
        runs: planned directories, where every node sees them.
        progress: is told how each goes.
        resources: what each run asks for.
        wait: whether to wait for the results; otherwise jobs are submitted and named.
        poll_seconds: between two looks at the queue.

    Raises:
        UserError: SLURM is missing, or a setting is wrong.
        KeyboardInterrupt: after Ctrl-C; the jobs run on unless the user says otherwise.
    """
    resources.check()
    if isinstance(poll_seconds, bool) or not isinstance(poll_seconds, int | float) or poll_seconds <= 0:
        raise UserError(f"hydra.launcher.poll_seconds must be a number > 0, got {poll_seconds!r}")
    require_slurm()
    if not runs:
        return
    queue = _Queue(runs)
    with queue.submitting():
        known = queue.tasks()
        fresh = [run for run in queue.runs if run not in known and not _is_owned(run)]
        if known:
            progress.say(f"{len(known)} of {len(queue.runs)} runs are in SLURM's queue already")
        refused = queue.submit(fresh, resources, progress)
    for run, reason in refused.items():
        progress.started(queue.given[run])
        progress.finished(queue.given[run], None, reason)
    waiting = [run for run in queue.runs if run not in refused]
    if not wait:
        jobs = ", ".join(sorted({task.job.partition("_")[0] for task in queue.tasks().values()}))
        progress.say(
            f"{_runs(len(waiting))} with SLURM: {jobs or 'no job any more'}; the same command goes on from there"
        )
        return
    try:
        _wait(queue, waiting, progress, poll_seconds)
    except KeyboardInterrupt:
        _ask_what_to_do(queue)
        raise
    queue.tidy()


class _Queue:
    """What SLURM has of these runs."""

    def __init__(self, runs: Sequence[RunDirectory]) -> None:
        self.given = {RunDirectory(run.path.absolute()): run for run in runs}  # jobs are told absolute paths
        self.runs = list(self.given)
        self.studies = list(dict.fromkeys(run.path.parents[1] for run in self.runs))
        self.jobs: dict[RunDirectory, str] = {}  # where each was seen last

    def tasks(self) -> dict[RunDirectory, Task]:
        """The tasks of these runs that are queued or running."""
        listed = {folder.name: (folder / "runs.txt").read_text().splitlines() for folder in self._folders()}
        if not listed:
            return {}
        mine, found = set(self.runs), {}
        for name, tasks in tasks_of(list(listed)).items():
            for index, task in tasks.items():
                run = RunDirectory(Path(listed[name][index]))
                if run in mine:
                    found[run], self.jobs[run] = task, task.job
        return found

    def submit(
        self, runs: Sequence[RunDirectory], resources: Resources, progress: SweepProgress
    ) -> dict[RunDirectory, str]:
        """Submit runs, those that need the same together; give those that SLURM refuses, and why."""
        alike: dict[tuple[Path, str], list[RunDirectory]] = {}
        for run in runs:
            options = resources.options(run.config["trainer"])
            alike.setdefault((run.path.parents[1], repr(options)), []).append(run)
        refused: dict[RunDirectory, str] = {}
        most = largest_array()
        for (study, _), members in alike.items():
            for chunk in (members[k : k + most] for k in range(0, len(members), most)):
                script = self._write(study, chunk, resources)
                try:
                    job = submit(script)
                except UserError as error:
                    for run in chunk:
                        run.set_status("failed", reason=one_line(error))
                        refused[run] = one_line(error)
                else:
                    progress.say(f"submitted {_runs(len(chunk))} as job {job} ({script})")
                    self.jobs |= {run: f"{job}_{index}" for index, run in enumerate(chunk)}
        return refused

    def _write(self, study: Path, runs: Sequence[RunDirectory], resources: Resources) -> Path:
        """Write job.sh of each run and the array's files; what tells which task is which run is there before any is submitted."""
        folder, trainer = study / FOLDER / f"lossbench-{uuid4().hex[:8]}", runs[0].config["trainer"]
        folder.mkdir(parents=True)
        with synced_together():
            for run in runs:
                text = job_script(run.path, resources, run.config["trainer"])
                write_atomic(run.path / "job.sh", lambda file, text=text: file.write(text.encode()))
                run.set_status("planned")  # what an earlier attempt failed of is over
            lines = "".join(f"{run.path}\n" for run in runs)
            write_atomic(folder / "runs.txt", lambda file: file.write(lines.encode()))
            text = array_script(folder, folder.name, len(runs), resources, trainer)
            write_atomic(folder / "array.sh", lambda file: file.write(text.encode()))
        return folder / "array.sh"

    @contextmanager
    def submitting(self) -> Iterator[None]:
        """Let one launcher at a time look what is queued and submit the rest."""
        for study in self.studies:
            (study / FOLDER).mkdir(parents=True, exist_ok=True)
        locks = [Lock(study / FOLDER / "submitting.json") for study in self.studies]
        for lock in locks:
            while True:
                try:
                    lock.take()
                    break
                except OwnedError:
                    time.sleep(0.5)
        try:
            yield
        finally:
            for lock in locks:
                lock.release()

    def tidy(self) -> None:
        """Delete the files of arrays that are over."""
        for folder in self._folders():
            runs = [RunDirectory(Path(line)) for line in (folder / "runs.txt").read_text().splitlines()]
            if all(run.result_path.exists() for run in runs):
                for file in folder.iterdir():
                    file.unlink()
                folder.rmdir()

    def _folders(self) -> list[Path]:
        return [path.parent for study in self.studies for path in sorted((study / FOLDER).glob("*/runs.txt"))]


def _wait(queue: _Queue, waiting: list[RunDirectory], progress: SweepProgress, poll_seconds: float) -> None:
    """Look at the queue until every run has ended."""
    started, gone = set[RunDirectory](), dict.fromkeys(waiting, 0)
    said, when, away = "", -SAY_SECONDS, 0

    def ended(run: RunDirectory, reason: str | None) -> None:
        if run not in started:
            progress.started(queue.given[run])
        waiting.remove(run)
        progress.finished(queue.given[run], None if reason else run.result(), reason)

    while waiting:
        began = time.monotonic()
        try:
            tasks, away = queue.tasks(), 0
        except UserError as error:  # a controller that is started anew takes minutes; the jobs go on
            away += 1
            if away == 1:
                progress.say(f"{one_line(error)}; looking again")
            if away * max(poll_seconds, 1.0) > AWAY_SECONDS:
                raise
            time.sleep(poll_seconds)
            continue
        for run in list(waiting):
            task = tasks.get(run)
            if task is None:
                gone[run] += 1
                if run.result() is not None:
                    ended(run, None)
                elif gone[run] >= LOOKS_BEFORE_LOST and not _is_owned(run):
                    ended(run, reason := _why(queue, run))
                    progress.say(
                        "\n".join(f"    {line}" for line in last_lines(run.path / "slurm.log"))
                        or f"    {reason}: no output"
                    )
                continue
            gone[run] = 0
            if task.state != "PENDING" and run not in started:
                started.add(run)
                progress.started(queue.given[run])
            if task.state == "PENDING" and task.why.strip("()") in NEVER:
                cancel(task.job)
                reason = (
                    f"SLURM would never start job {task.job}: {task.why.strip('()')}; change hydra.launcher's settings"
                )
                run.set_status("failed", reason=reason)
                ended(run, reason)
        line = _counts(tasks, waiting)
        if waiting and line != said and time.monotonic() - when > SAY_SECONDS:
            progress.say(line)
            said, when = line, time.monotonic()
        if waiting:
            time.sleep(max(poll_seconds, 5 * (time.monotonic() - began)))  # a slow queue is asked less often


def _why(queue: _Queue, run: RunDirectory) -> str:
    """Why a run that is no longer in the queue has no result."""
    status = run.status
    if status.get("status") in ("failed", "cancelled", "preempted") and "reason" in status:
        return str(status["reason"])
    job = queue.jobs.get(run)
    words = ending(job) if job else None
    reason = words or f"SLURM no longer knows job {job}, and it has left no result; the same command submits it again"
    cancelled = words is not None and "cancelled" in words
    run.set_status("cancelled" if cancelled else "failed", reason=reason)
    return reason


def _counts(tasks: dict[RunDirectory, Task], waiting: Sequence[RunDirectory]) -> str:
    mine = [tasks[run] for run in waiting if run in tasks]
    idle = [task for task in mine if task.state == "PENDING"]
    why = f" ({', '.join(sorted({task.why.strip('()') for task in idle}))})" if idle else ""
    return f"SLURM: {len(mine) - len(idle)} running, {len(idle)} waiting{why}"


def _ask_what_to_do(queue: _Queue) -> None:
    """After Ctrl-C: jobs go on by themselves; in a terminal the user may want them cancelled."""
    tasks = queue.tasks()
    if not tasks:
        return
    answer = ""
    if sys.stdin.isatty() and sys.stderr.isatty():
        answer = input(f"\n{_runs(len(tasks))} queued or running. Enter leaves them, c and Enter cancels them: ")
    if answer.strip().lower() == "c":
        cancel(*(task.job for task in tasks.values()))
        print(f"cancelled {len(tasks)} jobs; runs that had begun have saved what they had")
        return
    jobs = " ".join(sorted({task.job.partition("_")[0] for task in tasks.values()}))
    print(f"\n{_runs(len(tasks))} going on without this command; it attaches to them again, scancel {jobs} ends them")


def _is_owned(run: RunDirectory) -> bool:
    lock = run.lock().path
    return lock.exists() and is_alive(read_owner(lock), lock)


def _runs(n: int) -> str:
    return f"{n} {'run' if n == 1 else 'runs'}"
