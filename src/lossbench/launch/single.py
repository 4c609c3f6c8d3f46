"""One composed configuration: check it, plan its run directory, bring that to its result."""

from collections.abc import Callable, Sequence
from typing import Any

from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from lossbench.config.composition import load_yardstick, plain
from lossbench.config.facts import Cache
from lossbench.config.hydra_errors import explain
from lossbench.config.resolve import place, prepare, resolve, wants_plan
from lossbench.config.tuned import require_untuned
from lossbench.errors import Stopped, UserError, one_line
from lossbench.hardware import require_machine
from lossbench.job.start import hand_over
from lossbench.launch.dry_runs import DryRuns
from lossbench.launch.outlook.outlook import outlook
from lossbench.launch.outlook.runs import look_up
from lossbench.launch.outlook.way import Way
from lossbench.rundir.directory import RunDirectory, processes
from lossbench.rundir.planning import is_planned
from lossbench.rundir.result import Result

STOPPED_CODES = {130: "SIGINT", 143: "SIGTERM"}


def plan_composed(config: DictConfig, command: Sequence[str]) -> RunDirectory:
    """Give a composed configuration its run directory: found when the same experiment is there, planned otherwise.

    Args:
        config: composed by Hydra, which can still compose (the yardsticks are read from its search path).
        command: what the user typed, for the record.

    Raises:
        UserError: a mistake in the configuration, or this machine lacks the GPU that it asks for.
    """
    return prepare(
        _resolved(config),
        load_yardstick,
        list(command),
        check_supported=lambda config: require_machine(config.trainer),
        try_out=lambda config: DryRuns()(config),
    )


def only_planned(config: DictConfig) -> list[str] | None:
    """With plan=true, check a composed configuration and say what its run would take; None without it.

    Raises:
        UserError: a mistake in the configuration, or this machine lacks the GPU that it asks for.
    """
    composed = _resolved(config)
    if not wants_plan(composed):
        return None
    cache = Cache()
    checked = resolve(composed, load_yardstick, cache, lambda config: require_machine(config.trainer))
    if checked.invalid is not None:
        raise UserError(checked.invalid)
    runs_dir, force = place(composed)
    if force or not is_planned(checked, runs_dir):
        DryRuns()(checked)
    return outlook([look_up(checked, runs_dir, force=force)], Way("here"), None, cache, forced=force)


def _resolved(config: DictConfig) -> dict[str, Any]:
    try:
        composed = plain(config)
    except OmegaConfBaseException as error:  # not through Hydra, which would add a line of its own
        raise UserError(explain(error) or one_line(error)) from error
    require_untuned(composed)
    return composed


def run_planned(run: RunDirectory, start: Callable[[RunDirectory], Result]) -> Result:
    """Bring a planned directory to its result: here, or in a process of its own if the run takes several processes.

    Args:
        run: a planned directory.
        start: brings a run of one process to its result.

    Returns:
        What result.json holds.

    Raises:
        UserError: the run failed.
        Stopped: a signal stopped it.
    """
    if processes(run) == 1 or run.result() is not None:
        return start(run)
    code = hand_over(run)
    result = run.result()
    if code in STOPPED_CODES:
        stopped = Stopped(STOPPED_CODES[code])
        stopped.line = ""  # the process has printed it
        raise stopped
    if code or result is None:
        reason = run.status.get("reason", "see the messages above and train.log")
        raise UserError(f"{run.path} failed with exit code {code}: {reason}")
    return result
