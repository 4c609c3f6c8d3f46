"""A multirun from its overrides to its verdict: expand, plan, run what is missing, report. Torch-free."""

from collections.abc import Callable, Sequence
from typing import Any

from hydra.core.config_loader import ConfigLoader
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from lossbench.config.facts import Cache
from lossbench.config.hydra_errors import explain
from lossbench.config.schema import RunConfig
from lossbench.config.tuned import require_untuned
from lossbench.errors import UserError, one_line
from lossbench.launch.bring import Launch, bring, failures, find_damaged_results, name_all, name_failed, summary
from lossbench.launch.compose import Composer
from lossbench.launch.expand import Job, expand
from lossbench.launch.outlook.outlook import data_lines, outlook, warnings_of
from lossbench.launch.outlook.runs import Run, look_up
from lossbench.launch.outlook.way import Way
from lossbench.launch.plan import Checked, Planned, check_jobs, plan_checked
from lossbench.launch.progress import SweepProgress
from lossbench.report.plans import record_plans
from lossbench.report.spec import ComparisonSpec
from lossbench.rundir.directory import RunDirectory


def sweep(
    arguments: Sequence[str],
    loader: ConfigLoader,
    master: DictConfig,
    launch: Launch,
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
    compose = Composer(loader, master)

    def untuned(job: Job) -> dict[str, Any]:
        require_untuned(composed := compose(job))
        return composed

    way = way or Way()
    checked = _checked(jobs, untuned, check_supported, spec, way)
    runs = _looked_up(checked)
    if checked.plan_only:
        repeated, forced = checked.repeated, master["force"]
        lines = outlook(runs, way, spec, checked.cache, repeated=repeated, forced=forced)
        print("\n".join(lines), flush=True)
        return
    planned = plan_checked(checked, command)
    todo = [run for run in planned.labels if run not in planned.done]
    print(summary(planned, todo), flush=True)
    if todo:
        _say_before(runs, spec, checked.cache)
    record_plans(planned.labels, spec)
    progress = SweepProgress(planned.labels, todo, _shown_metric(planned))
    bring(launch, todo, progress, planned, forced=master["force"])
    complete = progress.done + len(progress.failed) == len(todo)  # with wait=false runs may still go on
    _conclude(planned, progress, spec if complete else None)


def _say_before(runs: Sequence[Run], spec: ComparisonSpec | None, cache: Cache) -> None:
    """Say what the data are, and what the report will not be able to decide."""
    valid = [run.config for run in runs if run.state != "invalid"]
    print("\n".join(data_lines(valid, cache)), flush=True)
    if spec is not None:
        print("".join(f"{line}\n" for line in warnings_of(runs, spec, cache)), end="", flush=True)


def _checked(
    jobs: Sequence[Job],
    compose: Callable[[Job], dict[str, Any]],
    check_supported: Callable[[RunConfig], None],
    spec: ComparisonSpec | None,
    way: Way,
) -> Checked:
    try:
        return check_jobs(jobs, compose, check_supported, spec, prepare=way.prepare)
    except OmegaConfBaseException as error:  # Hydra would add a line of its own
        raise UserError(explain(error) or one_line(error)) from error


def _require_one_plan(jobs: Sequence[Job]) -> None:
    if any(part.swept and part.text.startswith("plan=") for part in jobs[0].parts):
        raise UserError("plan is of the whole command and cannot be swept; write plan=true once")


def _looked_up(checked: Checked) -> list[Run]:
    """Where the runs stand before anything is written."""
    return [look_up(cell.config, cell.runs_dir, force=cell.force) for cell in checked.cells]


def _shown_metric(planned: Planned) -> str:
    """The metric that each finished run is shown with: the test value of what it monitors."""
    return planned.monitor.replace("val/", "test/", 1)


def _conclude(planned: Planned, progress: SweepProgress, spec: ComparisonSpec | None) -> None:
    """Name the invalid cells, write the report, name the failed and the damaged runs.

    Raises:
        UserError: runs failed or are damaged, or there is no report.
    """
    find_damaged_results(planned, progress)
    name_all("invalid", [f"{run.path}: {reason}" for run, reason in planned.invalid.items()])
    unreported = _report(planned, progress, spec) if spec is not None else None
    if progress.failed or planned.damaged:
        name_failed(planned, progress)
        raise UserError(failures(planned, len(progress.failed), unreported)) from unreported
    if unreported is not None:
        raise unreported


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
