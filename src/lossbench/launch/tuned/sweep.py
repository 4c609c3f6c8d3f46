"""A fair fight from its overrides to its verdict: trials, choice, refits, report. Torch-free."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from hydra.core.config_loader import ConfigLoader
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from lossbench.config.hydra_errors import explain
from lossbench.config.resolve import Check
from lossbench.errors import UserError, one_line
from lossbench.launch.bring import Launch
from lossbench.launch.outlook.way import Way
from lossbench.launch.tuned.choice import (
    folders_of,
    outcome_of,
    refit_jobs,
    winners_of,
    with_refits,
    write_or_compare,
)
from lossbench.launch.tuned.fight import Fight, TrialJob
from lossbench.launch.tuned.phase import Phase, run_phase
from lossbench.launch.tuned.prepare import prepared
from lossbench.launch.tuned.record import record_plan
from lossbench.launch.tuned.words import Missing, plan_lines, start_lines
from lossbench.report.spec import ComparisonSpec
from lossbench.rundir.reading import DamagedError
from lossbench.tuning.study import read_one
from lossbench.tuning.winners import Trial, Winners


def tuned_sweep(
    params: Mapping[str, Any],
    typed: Sequence[str],
    loader: ConfigLoader,
    master: DictConfig,
    launch: Launch,
    spec: ComparisonSpec,
    command: list[str],
    check_supported: Check,
    way: Way,
    *,
    report: bool = True,
) -> None:
    """Run a fair fight: what is done is skipped, what fails stops nothing else.

    Args:
        params: what the sweeper's configuration sweeps.
        typed: overrides of the command line.
        loader: Hydra's.
        master: the configuration of the multirun.
        launch: brings planned directories to their results.
        spec: what the report compares.
        command: what the user typed, for the record.
        check_supported: raises UserError for a configuration that `launch` cannot run.
        way: how `launch` runs them.
        report: whether to write it.

    Raises:
        UserError: a mistake, before anything runs; or failed runs, after everything else ran.
    """
    with _one_line_of_hydra():
        fight, kinds = prepared(params, typed, loader, master, spec, check_supported, way)
        known = fight.winners()
        trials = fight.trials([replicate for replicate in fight.replicates if replicate not in known])
        checked = fight.checked([each.job for each in trials]) if trials else None
    missing = Missing(len(fight.replicates) - len(known), fight.to_do(checked) if checked is not None else 0)
    if fight.asked.plan_only:
        print("\n".join(plan_lines(fight, kinds, way, missing)), flush=True)
        return
    print("\n".join(start_lines(fight, kinds, way, missing)), flush=True)
    record_plan(fight)
    phases: list[Phase] = []
    if checked is not None:
        phases.append(run_phase("trials", checked, launch, command, fight.plan.monitor))
        known |= _chosen(fight, trials, phases[0])
    if known:
        phases.append(_refit(fight, known, launch, command))
    _conclude(fight, phases, report=report)


@contextmanager
def _one_line_of_hydra() -> Iterator[None]:
    """Word what Hydra finds wrong while it composes: from here it would add a line of its own."""
    try:
        yield
    except OmegaConfBaseException as error:
        raise UserError(explain(error) or one_line(error)) from error


def _chosen(fight: Fight, trials: Sequence[TrialJob], phase: Phase) -> dict[int, Winners]:
    """Choose in each replicate of which all trials have ended."""
    found: dict[int, dict[str, list[Trial]]] = {}
    missing: set[int] = set()
    for k, job in enumerate(trials):
        trial = _outcome(fight, job, phase, k)
        if trial is None:
            missing.add(job.replicate)
        else:
            found.setdefault(job.replicate, {}).setdefault(job.row, []).append(trial)
    return {
        replicate: winners_of(fight, replicate, rows) for replicate, rows in found.items() if replicate not in missing
    }


def _outcome(fight: Fight, job: TrialJob, phase: Phase, k: int) -> Trial | None:
    run = phase.run(k)
    try:
        return None if run is None else outcome_of(run, job, fight.plan)
    except DamagedError:  # it is named at the end
        return None


def _refit(fight: Fight, chosen: Mapping[int, Winners], launch: Launch, command: list[str]) -> Phase:
    """Write down what was chosen, then run it."""
    jobs = [job for _, winners in sorted(chosen.items()) for job in refit_jobs(fight, winners)]
    checked = fight.checked([each.job for each in jobs])
    folders = folders_of(checked, fight)
    for winners in chosen.values():
        write_or_compare(fight, with_refits(winners, jobs, folders))
    return run_phase("refits", checked, launch, command, fight.plan.metric)


def _conclude(fight: Fight, phases: Sequence[Phase], *, report: bool) -> None:
    """Say what diverged and what is missing, write the report, name what failed.

    Raises:
        UserError: runs failed or are damaged, or there is no report.
    """
    for words in filter(None, (phase.words() for phase in phases)):
        print(words, flush=True)
    failed = [words for phase in phases if (words := phase.failures()) is not None]
    unreported = _report(fight) if report and _are_over(phases) else None
    if failed:
        no_report = f"; and there is no report: {one_line(unreported)}" if unreported else ""
        raise UserError(f"{'; '.join(failed)}{no_report}") from unreported
    if unreported is not None:
        raise unreported


def _are_over(phases: Sequence[Phase]) -> bool:
    """Whether there are refits, and nothing goes on elsewhere."""
    return phases[-1].what == "refits" and not any(phase.waiting for phase in phases)


def _report(fight: Fight) -> UserError | None:
    """Write the report; give the error where there is none, so that failed runs are named all the same."""
    from lossbench.report.tuned.publish import publish_tuned  # matplotlib and scipy take a second to import

    try:
        publish_tuned(read_one(fight.folder))
    except UserError as error:
        return error
    return None
