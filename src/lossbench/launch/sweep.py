"""A multirun from its overrides to its verdict: expand, plan, run what is missing, report. Torch-free."""

from collections.abc import Callable, Sequence

from hydra.core.config_loader import ConfigLoader
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from lossbench.config.hydra_errors import explain
from lossbench.config.schema import RunConfig
from lossbench.errors import Stopped, UserError, one_line
from lossbench.launch.compose import Composer
from lossbench.launch.expand import expand
from lossbench.launch.plan import Planned, plan_jobs
from lossbench.launch.progress import SweepProgress, number_of_runs
from lossbench.report.spec import ComparisonSpec
from lossbench.rundir.directory import RunDirectory

LISTED = 20  # failed or invalid runs named on the screen; lossbench status lists all


def sweep(
    arguments: Sequence[str],
    loader: ConfigLoader,
    master: DictConfig,
    launch: Callable[[Sequence[RunDirectory], SweepProgress], None],
    spec: ComparisonSpec | None,
    command: list[str],
    check_supported: Callable[[RunConfig], None],
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

    Raises:
        UserError: a mistake in the configuration, before anything runs; or failed runs, after everything else ran.
    """
    jobs = expand(arguments, loader)
    try:
        planned = plan_jobs(jobs, Composer(loader, master), command, check_supported, spec)
    except OmegaConfBaseException as error:  # Hydra would add a line of its own
        raise UserError(explain(error) or one_line(error)) from error
    todo = [run for run in planned.labels if not _is_done(run)]
    print(_summary(planned, todo), flush=True)
    progress = SweepProgress(planned.labels, todo, _shown_metric(planned))
    try:
        launch(todo, progress)
    except (KeyboardInterrupt, SystemExit) as error:
        progress.close()
        print(_stopped(planned, progress, forced=master["force"]), flush=True)
        if isinstance(error, Stopped):
            error.line = ""  # of one run; that of the sweep is printed
        raise
    progress.close()
    complete = progress.done + len(progress.failed) == len(todo)  # with wait=false runs may still go on
    _conclude(planned, progress, spec if complete else None)


def _is_done(run: RunDirectory) -> bool:
    try:
        return run.result() is not None
    except UserError:  # damaged: it is not done, and running it reports what to do
        return False


def _summary(planned: Planned, todo: Sequence[RunDirectory]) -> str:
    runs = len(planned.labels)
    invalid = f", {len(planned.invalid)} invalid cells" if planned.invalid else ""
    return f"{number_of_runs(runs)}: {runs - len(todo)} done already, {len(todo)} to run{invalid}"


def _shown_metric(planned: Planned) -> str:
    """The metric that each finished run is shown with: the test value of what it monitors."""
    return next(iter(planned.labels)).config.monitor.replace("val/", "test/", 1)


def _stopped(planned: Planned, progress: SweepProgress, forced: bool) -> str:
    again = "the same command without force=true goes on" if forced else "the same command goes on"
    return f"\nstopped with {progress.total - progress.done} of {len(planned.labels)} runs to go; {again}"


def _conclude(planned: Planned, progress: SweepProgress, spec: ComparisonSpec | None) -> None:
    """Name the invalid cells, write the report, name the failed runs.

    Raises:
        UserError: runs failed, or there is no report.
    """
    _list_invalid(planned)
    unreported = _report(planned, progress, spec) if spec is not None else None
    if progress.failed:
        _list_failed(progress)
        raise UserError(_failures(planned, progress, unreported)) from unreported
    if unreported is not None:
        raise unreported


def _list_invalid(planned: Planned) -> None:
    for run, reason in list(planned.invalid.items())[:LISTED]:
        print(f"invalid: {run.path}: {reason}")
    if len(planned.invalid) > LISTED:
        print(f"... and {len(planned.invalid) - LISTED} more invalid cells")


def _list_failed(progress: SweepProgress) -> None:
    for run, reason in list(progress.failed.items())[:LISTED]:
        print(f"failed: {progress.labels[run]}: {reason}\n        {run.path}")


def _failures(planned: Planned, progress: SweepProgress, unreported: UserError | None) -> str:
    count = len(progress.failed)
    first = f" (the first {LISTED} are listed)" if count > LISTED else ""
    no_report = f"; and there is no report: {one_line(unreported)}" if unreported else ""
    return (
        f"{count} of {len(planned.labels)} runs failed, listed above{first}; each directory's train.log says more; "
        f"the same command runs only what is missing{no_report}"
    )


def _report(planned: Planned, progress: SweepProgress, spec: ComparisonSpec) -> UserError | None:
    """Write the report; give the error where there is none, so that failed runs are named all the same."""
    done = [run for run in planned.labels if run not in progress.failed]
    if not done:
        return None
    try:
        _publish([*done, *planned.invalid, *progress.failed], spec)
    except UserError as error:
        return error
    return None


def _publish(runs: Sequence[RunDirectory], spec: ComparisonSpec) -> None:
    from lossbench.report.publish import publish_all  # matplotlib and scipy take a second to import
    from lossbench.report.records import read_record

    records = []
    for run in runs:
        try:
            records.append(read_record(run.path))
        except UserError as error:  # one damaged file does not take the report of the others
            print(f"not in the report: {one_line(error)}")
    if any(record.result is not None for record in records):
        publish_all(records, spec)
