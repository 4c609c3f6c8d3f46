"""A multirun from its overrides to its verdict: expand, plan, run what is missing, report. Torch-free."""

from collections.abc import Callable, Sequence

from hydra.core.config_loader import ConfigLoader
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from lossbench.config.hydra_errors import explain
from lossbench.config.resolve import place, wants_plan
from lossbench.config.schema import RunConfig
from lossbench.errors import Stopped, UserError, one_line
from lossbench.launch.compose import Composer
from lossbench.launch.expand import Job, expand
from lossbench.launch.outlook.outlook import outlook, warnings_of
from lossbench.launch.outlook.runs import Run, look_up
from lossbench.launch.outlook.way import Way
from lossbench.launch.plan import Checked, Planned, check_jobs, plan_checked
from lossbench.launch.progress import SweepProgress, number_of_runs
from lossbench.report.plans import record_plans
from lossbench.report.spec import ComparisonSpec
from lossbench.rundir.directory import RunDirectory
from lossbench.rundir.reading import DamagedError

LISTED = 20  # failed or invalid runs named on the screen; lossbench status lists all


def sweep(
    arguments: Sequence[str],
    loader: ConfigLoader,
    master: DictConfig,
    launch: Callable[[Sequence[RunDirectory], SweepProgress], None],
    spec: ComparisonSpec | None,
    command: list[str],
    check_supported: Callable[[RunConfig], None],
    way: Way | None = None,
) -> None:
    """Run a multirun: what is done is skipped, what fails stops nothing else, then the report.

    Args:
        arguments: overrides, some of them sweeps.
        loader: Hydra's.
        master: the configuration of the multirun.
        launch: brings planned directories to their results.
        spec: what the report compares; None writes no report.
        command: what the user typed, for the record.
        check_supported: raises UserError for a configuration that `launch` cannot run.
        way: how `launch` runs them, for plan=true; None is one after another.

    Raises:
        UserError: a mistake in the configuration, before anything runs; or failed runs, after everything else ran.
    """
    jobs = expand(arguments, loader)
    _require_one_plan(jobs)
    checked = _checked(jobs, Composer(loader, master), check_supported, spec)
    runs = _looked_up(checked)
    if wants_plan(checked.cells[0].composed):
        repeated, forced = checked.repeated, master["force"]
        lines = outlook(runs, way or Way(), spec, checked.cache, repeated=repeated, forced=forced)
        print("\n".join(lines), flush=True)
        return
    planned = plan_checked(checked, command)
    todo = [run for run in planned.labels if run.result() is None]
    print(_summary(planned, todo), flush=True)
    if spec is not None and todo:
        print("".join(f"{line}\n" for line in warnings_of(runs, spec, checked.cache)), end="", flush=True)
    record_plans(planned.labels, spec)
    progress = SweepProgress(planned.labels, todo, _shown_metric(planned))
    _launch(launch, todo, progress, planned, forced=master["force"])
    complete = progress.done + len(progress.failed) == len(todo)  # with wait=false runs may still go on
    _conclude(planned, progress, spec if complete else None)


def _checked(
    jobs: Sequence[Job], compose: Composer, check_supported: Callable[[RunConfig], None], spec: ComparisonSpec | None
) -> Checked:
    try:
        return check_jobs(jobs, compose, check_supported, spec)
    except OmegaConfBaseException as error:  # Hydra would add a line of its own
        raise UserError(explain(error) or one_line(error)) from error


def _launch(
    launch: Callable[[Sequence[RunDirectory], SweepProgress], None],
    todo: Sequence[RunDirectory],
    progress: SweepProgress,
    planned: Planned,
    *,
    forced: bool,
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


def _require_one_plan(jobs: Sequence[Job]) -> None:
    if any(part.swept and part.text.startswith("plan=") for part in jobs[0].parts):
        raise UserError("plan is of the whole command and cannot be swept; write plan=true once")


def _looked_up(checked: Checked) -> list[Run]:
    """Where the runs stand before anything is written."""
    found: list[Run] = []
    for cell in checked.cells:
        runs_dir, force = place(cell.composed)
        found.append(look_up(cell.config, runs_dir, force=force))
    return found


def _summary(planned: Planned, todo: Sequence[RunDirectory]) -> str:
    done = len(planned.labels) - len(todo)
    damaged = f", {len(planned.damaged)} damaged" if planned.damaged else ""
    invalid = f", {len(planned.invalid)} invalid cells" if planned.invalid else ""
    repeated = f", {planned.repeated} more are the same as one of them" if planned.repeated else ""
    return f"{number_of_runs(_count(planned))}: {done} done already, {len(todo)} to run{damaged}{invalid}{repeated}"


def _count(planned: Planned) -> int:
    return len({*planned.labels, *planned.damaged})


def _shown_metric(planned: Planned) -> str:
    """The metric that each finished run is shown with: the test value of what it monitors."""
    return planned.monitor.replace("val/", "test/", 1)


def _stopped(planned: Planned, progress: SweepProgress, forced: bool) -> str:
    again = "the same command without force=true goes on" if forced else "the same command goes on"
    return f"\nstopped with {progress.total - progress.done} of {len(planned.labels)} runs to go; {again}"


def _conclude(planned: Planned, progress: SweepProgress, spec: ComparisonSpec | None) -> None:
    """Name the invalid cells, write the report, name the failed and the damaged runs.

    Raises:
        UserError: runs failed or are damaged, or there is no report.
    """
    _find_damaged_results(planned, progress)
    _list("invalid", [f"{run.path}: {reason}" for run, reason in planned.invalid.items()])
    unreported = _report(planned, progress, spec) if spec is not None else None
    if progress.failed or planned.damaged:
        failed = progress.failed.items()
        _list("failed", [f"{progress.labels[run]}: {reason}\n        {run.path}" for run, reason in failed])
        _list("damaged", list(planned.damaged.values()))
        raise UserError(_failures(planned, progress, unreported)) from unreported
    if unreported is not None:
        raise unreported


def _find_damaged_results(planned: Planned, progress: SweepProgress) -> None:
    for run in planned.labels:
        try:
            if run not in progress.failed:
                run.result()
        except DamagedError as error:
            planned.damaged[run] = one_line(error)


def _list(state: str, lines: Sequence[str]) -> None:
    for line in lines[:LISTED]:
        print(f"{state}: {line}")
    if len(lines) > LISTED:
        print(f"... and {len(lines) - LISTED} more {state}")


def _failures(planned: Planned, progress: SweepProgress, unreported: UserError | None) -> str:
    failed, damaged = len(progress.failed), len(planned.damaged)
    counts = [f"{failed} of {_count(planned)} runs failed"] if failed else []
    counts += [f"{damaged} of {_count(planned)} run directories are damaged"] if damaged else []
    first = f" (the first {LISTED} are listed)" if max(failed, damaged) > LISTED else ""
    log = "; each directory's train.log says more" if failed else ""
    no_report = f"; and there is no report: {one_line(unreported)}" if unreported else ""
    return f"{' and '.join(counts)}, listed above{first}{log}; the same command runs only what is missing{no_report}"


def _report(planned: Planned, progress: SweepProgress, spec: ComparisonSpec) -> UserError | None:
    """Write the report; give the error where there is none, so that failed runs are named all the same."""
    done = [run for run in planned.labels if run not in progress.failed and run not in planned.damaged]
    if not done:
        return None
    try:
        _publish([*done, *planned.invalid, *progress.failed, *planned.damaged], spec)
    except UserError as error:
        return error
    return None


def _publish(runs: Sequence[RunDirectory], spec: ComparisonSpec) -> None:
    from lossbench.report.publish import publish_all  # matplotlib and scipy take a second to import
    from lossbench.report.records import read_records

    records = [record for record in read_records(run.path for run in runs) if not record.trial]
    if len(records) < len(runs):
        print("trials are never tested, so they are not compared")
    if any(record.result is not None for record in records):
        publish_all(records, spec)
