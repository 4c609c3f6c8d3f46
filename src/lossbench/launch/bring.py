"""Bring planned runs to their results, and name those that have none. Torch-free."""

from collections.abc import Callable, Sequence

from lossbench.errors import Stopped, UserError, one_line
from lossbench.launch.plan import Planned
from lossbench.launch.progress import SweepProgress, number_of_runs
from lossbench.rundir.directory import RunDirectory
from lossbench.rundir.reading import DamagedError

LISTED = 20  # failed or invalid runs named on the screen; lossbench status lists all
Launch = Callable[[Sequence[RunDirectory], SweepProgress], None]
"""Brings planned directories to their results."""


def summary(planned: Planned, todo: Sequence[RunDirectory]) -> str:
    """Count the runs by where they stand, before they are brought to their results."""
    done = len(planned.labels) - len(todo)
    damaged = f", {len(planned.damaged)} damaged" if planned.damaged else ""
    invalid = f", {len(planned.invalid)} invalid cells" if planned.invalid else ""
    repeated = f", {planned.repeated} more are the same as one of them" if planned.repeated else ""
    return f"{number_of_runs(count(planned))}: {done} done already, {len(todo)} to run{damaged}{invalid}{repeated}"


def count(planned: Planned) -> int:
    """How many runs were planned, those that are damaged among them."""
    return len({*planned.labels, *planned.damaged})


def bring(
    launch: Launch, todo: Sequence[RunDirectory], progress: SweepProgress, planned: Planned, *, forced: bool
) -> None:
    """Run what is missing; where a signal stops the sweep, say how much is left."""
    try:
        with progress.line_each_minute():
            launch(todo, progress)
    except (KeyboardInterrupt, SystemExit) as error:
        progress.close()
        print(_stopped(planned, progress, forced=forced), flush=True)
        if isinstance(error, Stopped):
            error.line = ""  # of one run; that of the sweep is printed
        raise
    progress.close()


def _stopped(planned: Planned, progress: SweepProgress, forced: bool) -> str:
    again = "the same command without force=true goes on" if forced else "the same command goes on"
    runs = progress.what or "runs"
    return f"\nstopped with {progress.total - progress.done} of {len(planned.labels)} {runs} to go; {again}"


def find_damaged_results(planned: Planned, progress: SweepProgress) -> None:
    """Add the runs whose results cannot be read to those that are damaged."""
    for run in planned.labels:
        try:
            if run not in progress.failed:
                run.result()
        except DamagedError as error:
            planned.damaged[run] = one_line(error)


def name_all(state: str, lines: Sequence[str]) -> None:
    """Print a line for each of some runs; of many the first ones."""
    for line in lines[:LISTED]:
        print(f"{state}: {line}")
    if len(lines) > LISTED:
        print(f"... and {len(lines) - LISTED} more {state}")


def name_failed(planned: Planned, progress: SweepProgress, but: Sequence[RunDirectory] = ()) -> None:
    """Print why runs failed, or are damaged; some are left out."""
    failed = [(run, reason) for run, reason in progress.failed.items() if run not in but]
    name_all("failed", [f"{progress.labels[run]}: {reason}\n        {run.path}" for run, reason in failed])
    name_all("damaged", list(planned.damaged.values()))


def failures(planned: Planned, failed: int, unreported: UserError | None, what: str = "runs") -> str:
    """Word how many runs failed or are damaged, and what to do.

    Args:
        planned: the runs.
        failed: how many failed.
        unreported: why there is no report; None where there is one, or none is wanted.
        what: such as trials.
    """
    damaged = len(planned.damaged)
    counts = [f"{failed} of {count(planned)} {what} failed"] if failed else []
    counts += [f"{damaged} of {count(planned)} run directories are damaged"] if damaged else []
    first = f" (the first {LISTED} are listed)" if max(failed, damaged) > LISTED else ""
    log = "; each directory's train.log says more" if failed else ""
    no_report = f"; and there is no report: {one_line(unreported)}" if unreported else ""
    return f"{' and '.join(counts)}, listed above{first}{log}; the same command runs only what is missing{no_report}"
