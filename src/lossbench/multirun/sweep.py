"""A multirun from its overrides to its verdict: expand, compose, plan, run what is missing, report."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_loader import ConfigLoader
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from lossbench.commandline import explain, load_yardstick
from lossbench.contract.directory import RunDirectory, plan
from lossbench.errors import InvalidCellError, UserError, one_line
from lossbench.hardware import require_gpu
from lossbench.multirun.compose import Composer
from lossbench.multirun.expand import Job, expand
from lossbench.multirun.watch import Watch
from lossbench.plan import Memory, place, resolve
from lossbench.report import flatten

NAMED = 20  # failed or invalid runs listed on the screen; scripts/status.py lists all


@dataclass
class Planned:
    """The runs of a sweep.

    Args:
        labels: each run and what tells it from the others, in the order in which they run.
        invalid: runs that cannot be, and why.
    """

    labels: dict[RunDirectory, str] = field(default_factory=dict)
    invalid: dict[RunDirectory, str] = field(default_factory=dict)


def sweep(
    arguments: Sequence[str],
    loader: ConfigLoader,
    master: DictConfig,
    launch: Callable[[Sequence[RunDirectory], Watch], None],
    question: Mapping[str, Any] | None,
    command: list[str],
) -> None:
    """Run a multirun: what is done is skipped, what fails stops nothing else, then the report.

    Args:
        arguments: overrides, some of them sweeps.
        loader: Hydra's.
        master: the configuration of the multirun.
        launch: brings planned directories to their results.
        question: baseline, metric and margin of the report; None writes none.
        command: what the user typed, for the record.

    Raises:
        UserError: a mistake in the configuration, before anything runs; or failed runs, after everything else ran.
    """
    jobs = expand(arguments, loader)
    try:
        planned = plan_jobs(jobs, Composer(loader, master), command)
    except OmegaConfBaseException as error:  # not through Hydra, which would add a line of its own
        raise UserError(explain(error) or one_line(error)) from error
    todo = [run for run in planned.labels if not _is_done(run)]
    print(_beginning(planned, todo), flush=True)
    watch = Watch(planned.labels, todo, _shown(planned))
    try:
        launch(todo, watch)
    except (KeyboardInterrupt, SystemExit):
        watch.close()
        print(f"\nstopped with {len(todo) - watch.done} of {len(planned.labels)} runs to go; the same command goes on", flush=True)
        raise
    watch.close()
    _finish(planned, watch, question)


def plan_jobs(jobs: Sequence[Job], compose: Composer, command: list[str]) -> Planned:
    """Compose, check and plan all jobs before any runs.

    Raises:
        UserError: a mistake in any of them, or no job is valid; nothing has been written then.
    """
    ask, planned = Memory(), Planned()
    resolved: list[tuple[Job, dict[str, Any], dict[str, Any], str | None]] = []
    for job in jobs:
        config = compose(job)
        require_gpu(config["trainer"]["accelerator"])
        if config["progress_bar"] == "auto":
            config["progress_bar"] = False  # the sweep has one for all runs
        try:
            resolved.append((job, config, resolve(config, load_yardstick, ask), None))
        except InvalidCellError as error:
            resolved.append((job, config, error.config, str(error)))
    if all(reason is not None for *_, reason in resolved):
        raise UserError(f"no run of this sweep is valid, for example {resolved[0][0].label}: {resolved[0][3]}")
    for job, config, whole, reason in resolved:
        runs_dir, force = place(config)
        run = plan(whole, runs_dir, force=force, command=command)
        if reason is None:
            planned.labels.setdefault(run, job.label)
        elif run not in planned.invalid:
            planned.invalid[run] = reason
            if run.status.get("reason") != reason:
                run.set_status("invalid", reason=reason, params=flatten(whole))
    return planned


def _is_done(run: RunDirectory) -> bool:
    try:
        return run.result() is not None
    except UserError:  # damaged: it is not done, and running it says what to do
        return False


def _beginning(planned: Planned, todo: Sequence[RunDirectory]) -> str:
    runs = len(planned.labels)
    invalid = f", {len(planned.invalid)} invalid cells" if planned.invalid else ""
    return f"{runs} runs: {runs - len(todo)} done already, {len(todo)} to run{invalid}"


def _shown(planned: Planned) -> str:
    """The metric that each finished run is shown with: the test value of what it monitors."""
    return str(next(iter(planned.labels)).config["monitor"]).replace("val/", "test/", 1)


def _finish(planned: Planned, watch: Watch, question: Mapping[str, Any] | None) -> None:
    for run, reason in list(planned.invalid.items())[:NAMED]:
        print(f"invalid: {run.path}: {reason}")
    if len(planned.invalid) > NAMED:
        print(f"... and {len(planned.invalid) - NAMED} more invalid cells")
    done = [run for run in planned.labels if run not in watch.failed]
    if question is not None and done:
        _report([*done, *planned.invalid, *watch.failed], question)
    if watch.failed:
        for run, reason in list(watch.failed.items())[:NAMED]:
            print(f"failed: {watch.labels[run]}: {reason}\n        {run.path}")
        more = f" (the first {NAMED} are listed)" if len(watch.failed) > NAMED else ""
        raise UserError(
            f"{len(watch.failed)} of {len(planned.labels)} runs failed, listed above{more}; "
            "each directory's train.log says more; the same command runs only what is missing"
        )


def _report(runs: Sequence[RunDirectory], question: Mapping[str, Any]) -> None:
    from lossbench.study.answer import Question  # matplotlib and scipy take a second to import
    from lossbench.study.publish import by_question, publish
    from lossbench.study.records import read_record

    for records in by_question([read_record(run.path) for run in runs]):
        publish(records, Question(**question))
