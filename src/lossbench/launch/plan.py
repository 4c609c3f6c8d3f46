"""A multirun from its overrides to its verdict: expand, compose, plan, run what is missing, report."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_loader import ConfigLoader
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from lossbench.cli.overrides import explain, load_yardstick
from lossbench.config.resolve import Cache, place, resolve
from lossbench.errors import InvalidCellError, UserError, one_line, suggest
from lossbench.launch.compose import Composer
from lossbench.launch.expand import Job, expand
from lossbench.launch.progress import SweepProgress
from lossbench.rundir.directory import RunDirectory, plan
from lossbench.rundir.files import synced_together
from lossbench.rundir.identity import identity_hash
from lossbench.rundir.result import flatten

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
    launch: Callable[[Sequence[RunDirectory], SweepProgress], None],
    question: Mapping[str, Any] | None,
    command: list[str],
    suits: Callable[[Mapping[str, Any]], None],
) -> None:
    """Run a multirun: what is done is skipped, what fails stops nothing else, then the report.

    Args:
        arguments: overrides, some of them sweeps.
        loader: Hydra's.
        master: the configuration of the multirun.
        launch: brings planned directories to their results.
        question: baseline, metric and margin of the report; None writes none.
        command: what the user typed, for the record.
        suits: raises UserError for a configuration that `launch` cannot run.

    Raises:
        UserError: a mistake in the configuration, before anything runs; or failed runs, after everything else ran.
    """
    jobs = expand(arguments, loader)
    try:
        planned = plan_jobs(jobs, Composer(loader, master), command, suits, question)
    except OmegaConfBaseException as error:  # not through Hydra, which would add a line of its own
        raise UserError(explain(error) or one_line(error)) from error
    todo = [run for run in planned.labels if not _is_done(run)]
    print(_beginning(planned, todo), flush=True)
    progress = SweepProgress(planned.labels, todo, _shown(planned))
    try:
        launch(todo, progress)
    except (KeyboardInterrupt, SystemExit):
        progress.close()
        again = "the same command without force=true goes on" if master["force"] else "the same command goes on"
        print(f"\nstopped with {len(todo) - progress.done} of {len(planned.labels)} runs to go; {again}", flush=True)
        raise
    progress.close()
    whole = progress.done + len(progress.failed) == len(todo)  # a launcher may not wait for the end
    _finish(planned, progress, question if whole else None)


def _check_question(question: Mapping[str, Any], losses: set[str]) -> None:
    """Refuse a question that no run of the sweep can answer, before hours of them."""
    named = str(question["baseline"]).split(" ")[0]
    if named not in losses and question["baseline"] != "cross_entropy":
        raise UserError(f"hydra.sweeper.baseline={question['baseline']} is not in this sweep; {suggest(named, losses)}")
    metric, margin = question["metric"], question["margin"]
    if metric is not None and not re.fullmatch(r"(val|test)/\w+", str(metric)):
        raise UserError(
            f"hydra.sweeper.metric must be a metric of val or test such as test/accuracy, or null, got {metric!r}"
        )
    if metric is not None and str(metric).endswith("/loss") and len(losses) > 1:
        raise UserError(
            f"hydra.sweeper.metric={metric} is each run's own loss, a different formula in each; use test/accuracy or test/cross_entropy"
        )
    if margin is not None and (
        isinstance(margin, bool) or not isinstance(margin, int | float) or not 0 < margin < math.inf
    ):
        raise UserError(
            f"hydra.sweeper.margin must be a number > 0 in the unit of the metric (0.01 is one point of accuracy), got {margin!r}"
        )


def plan_jobs(
    jobs: Sequence[Job],
    compose: Composer,
    command: list[str],
    suits: Callable[[Mapping[str, Any]], None],
    question: Mapping[str, Any] | None = None,
) -> Planned:
    """Compose, check and plan all jobs before any runs.

    Args:
        jobs: what to run.
        compose: gives their configurations.
        command: what the user typed, for the record.
        suits: raises UserError for a configuration that cannot be run.
        question: of the report, checked too.

    Raises:
        UserError: a mistake in any of them, or no job is valid; nothing has been written then.
    """
    cache, planned = Cache(), Planned()
    resolved: list[tuple[Job, dict[str, Any], dict[str, Any], str | None]] = []
    for job in jobs:
        config = compose(job)
        if config["progress_bar"] == "auto":
            config["progress_bar"] = False  # the sweep has one for all runs
        try:
            whole, reason = resolve(config, load_yardstick, cache), None
        except InvalidCellError as error:
            whole, reason = error.config, str(error)
        suits(whole)
        resolved.append((job, config, whole, reason))
    if all(reason is not None for *_, reason in resolved):
        raise UserError(f"no run of this sweep is valid, for example {resolved[0][0].label}: {resolved[0][3]}")
    if question is not None:
        _check_question(question, {whole["loss"]["name"] for _, _, whole, reason in resolved if reason is None})
    seen: set[tuple[str, str, int]] = set()
    with synced_together():
        for job, config, whole, reason in resolved:
            key = (str(whole["study"]), identity_hash(whole), whole["seed"])
            if key in seen:  # typed twice; with force=true it would be archived twice
                continue
            seen.add(key)
            runs_dir, force = place(config)
            run = plan(whole, runs_dir, force=force, command=command)
            if reason is None:
                planned.labels[run] = job.label
            else:
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
    return f"{runs} {'run' if runs == 1 else 'runs'}: {runs - len(todo)} done already, {len(todo)} to run{invalid}"


def _shown(planned: Planned) -> str:
    """The metric that each finished run is shown with: the test value of what it monitors."""
    return str(next(iter(planned.labels)).config["monitor"]).replace("val/", "test/", 1)


def _finish(planned: Planned, progress: SweepProgress, question: Mapping[str, Any] | None) -> None:
    for run, reason in list(planned.invalid.items())[:NAMED]:
        print(f"invalid: {run.path}: {reason}")
    if len(planned.invalid) > NAMED:
        print(f"... and {len(planned.invalid) - NAMED} more invalid cells")
    done = [run for run in planned.labels if run not in progress.failed]
    unreported = None
    if question is not None and done:
        try:
            _report([*done, *planned.invalid, *progress.failed], question)
        except UserError as error:  # said below: failed runs are to be named whatever happens to the report
            unreported = error
    if progress.failed:
        for run, reason in list(progress.failed.items())[:NAMED]:
            print(f"failed: {progress.labels[run]}: {reason}\n        {run.path}")
        more = f" (the first {NAMED} are listed)" if len(progress.failed) > NAMED else ""
        raise UserError(
            f"{len(progress.failed)} of {len(planned.labels)} runs failed, listed above{more}; "
            "each directory's train.log says more; the same command runs only what is missing"
            + (f"; and there is no report: {one_line(unreported)}" if unreported else "")
        )
    if unreported is not None:
        raise unreported


def _report(runs: Sequence[RunDirectory], question: Mapping[str, Any]) -> None:
    from lossbench.report.comparison import Question  # matplotlib and scipy take a second to import
    from lossbench.report.publish import publish_all
    from lossbench.report.records import read_record

    records = []
    for run in runs:
        try:
            records.append(read_record(run.path))
        except UserError as error:  # one damaged file does not take the report of the others
            print(f"not in the report: {one_line(error)}")
    if any(record.result is not None for record in records):
        publish_all(records, Question(**question))
