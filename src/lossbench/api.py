"""lossbench from Python and notebooks: train one run, compare many. Torch-free until something really runs."""

import os
import threading
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Union

from lossbench.errors import Stopped, UserError, one_line

if TYPE_CHECKING:
    from lossbench.report.loss_comparison import LossComparison
    from lossbench.rundir.directory import RunDirectory
    from lossbench.trained.loaded import LoadedRun

# One run at a time in a process: torch's random state and Hydra's belong to the whole process.
_RUNNING = threading.Lock()
Setting = None | bool | int | float | str | PathLike[str] | Sequence["Setting"]
Runs = Union[str, PathLike[str], "LoadedRun"]


def train(
    loss: str | None = None,
    data: str | None = None,
    *,
    overrides: Sequence[str] = (),
    config_dir: str | PathLike[str] | None = None,
    **settings: Setting,
) -> "LoadedRun":
    """Train one run, as the command lossbench does: run = lossbench.train("cosine_xent", "digits", seed=1).

    A run that is done is loaded and not trained again; an interrupted one goes on where it stopped.

    Args:
        loss: loss=NAME; None is what the data set brings: cross_entropy, or the loss of its task.
        data: data=NAME; None is toy.
        overrides: anything else as it is typed, e.g. ["loss.alpha=0.5", "trainer.max_epochs=3"].
        config_dir: a folder of your own YAML files.
        settings: groups and settings without a dot, e.g. model="mlp", seed=1, study="mine", force=True.

    Returns:
        The run with its trained model, as `lossbench.load` gives it.

    Raises:
        UserError: a mistake in the settings, in one line; or the run failed by its settings.
        KeyboardInterrupt: Ctrl-C, or "interrupt kernel"; the run has saved, and the same call goes on from there.
    """
    chosen = {name: value for name, value in (("loss", loss), ("data", data)) if value is not None} | settings
    with _RUNNING:
        run = _plan([*_as_typed(chosen), *overrides], config_dir)
        _require_kept_weights(run)
        _bring_to_result(run)

    from lossbench.trained.loaded import load

    return load(run.path)


def _require_kept_weights(run: "RunDirectory") -> None:
    keep, tested = run.config.keep_checkpoints, run.config.evaluate
    if keep not in ("all", tested):
        raise UserError(
            f"keep_checkpoints={keep} deletes the tested weights, which lossbench.train returns; "
            f"use keep_checkpoints={tested} or all"
        )


def compare(
    runs: Runs | Sequence[Runs],
    *,
    baseline: str | None = None,
    metric: str | None = None,
    margin: float | None = None,
) -> "LossComparison":
    """Compare the losses of some runs, paired by replicate or seed, as the report of a sweep does; writes no report.

    Like a report, it counts as a look at these runs: p-values are corrected for looking again after adding seeds.

    Args:
        runs: run directories, folders of them such as "runs/default", loaded runs, or a fair fight such as
            "runs/default.tuned".
        baseline: a loss, or a loss with settings as the table names it, that the others are compared with; None is
            cross_entropy, or what was planned.
        metric: what is compared, e.g. "test/nll"; None is the test value of what the runs monitor.
        margin: differences below it do not matter; 0.01 is one point of accuracy, the default there.

    Returns:
        The verdict table, which shows itself in a terminal and in a notebook.

    Raises:
        UserError: none of the runs is done, or they cannot be compared with each other.
    """
    from lossbench.report.compare_any import compare as compare_runs
    from lossbench.report.sets import comparable_sets
    from lossbench.report.spec import DEFAULT_BASELINE, ComparisonSpec
    from lossbench.report.tuned.comparison import spec_of
    from lossbench.report.tuned.found import find_all
    from lossbench.report.tuned.report import compare_tuned

    found = find_all(_folders(runs))
    groups = comparable_sets(found.records)
    if len(groups) + len(found.tuned) != 1:
        sets = [f"{about} ({len(records)} runs)" for about, records in groups.items()]
        plans = [str(tuned.folder) for tuned in found.tuned]
        several = f"these runs are {len(sets) + len(plans)} comparisons, of which compare() makes one at a time"
        raise UserError(f"{several}: {'; '.join([*sets, *plans])}")
    for tuned in found.tuned:
        return compare_tuned(tuned, spec_of(tuned.plan, baseline, metric, margin))
    about, records = next(iter(groups.items()))
    return compare_runs(records, ComparisonSpec(baseline or DEFAULT_BASELINE, metric, margin), about)


def _folders(runs: Runs | Sequence[Runs]) -> list[Path]:
    if isinstance(runs, str | PathLike):
        return [Path(runs)]
    if isinstance(runs, Sequence):
        return [folder for each in runs for folder in _folders(each)]
    return [runs.directory.path]


def _as_typed(settings: dict[str, Setting]) -> list[str]:
    from lossbench.config.composition import written

    return [f"{key}={written(value)}" for key, value in settings.items()]


def _plan(words: list[str], config_dir: str | PathLike[str] | None) -> "RunDirectory":
    from lossbench.config.composition import composed, groups, hydra_started
    from lossbench.config.hydra_errors import explain
    from lossbench.config.overrides import readable
    from lossbench.launch.single import plan_composed

    given = [] if config_dir is None else [f"--config-dir={os.fspath(config_dir)}"]
    try:
        with hydra_started(config_dir):
            read = readable(words, groups(), own_files=config_dir is not None)
            config = composed(read)
            if config["plan"] is not False:
                raise UserError("plan=true is for the command lossbench: it trains nothing, and here a run is trained")
            return plan_composed(config, ["lossbench", *given, *words])
    except UserError:
        raise
    except Exception as error:
        line = explain(error, [*given, *words])
        if line is None:
            raise
        raise UserError(line) from error


def _bring_to_result(run: "RunDirectory") -> None:
    """Run a planned directory; an attempt of its own, whatever else this process has run before."""
    from lossbench.hardware import cleared
    from lossbench.job.rank_failures import ATTEMPT
    from lossbench.job.start import bring_to_result
    from lossbench.launch.single import run_planned

    try:
        with cleared():
            run_planned(run, bring_to_result)
    except Stopped as stopped:  # a signal asked the whole process to stop
        if stopped.why == "SIGINT":  # a notebook expects it as Python raises it
            raise KeyboardInterrupt(stopped.line) from stopped
        raise
    except SystemExit as error:
        reason = run.status.get("reason", f"called sys.exit({error.code})")
        raise UserError(f"{run.path} failed: {one_line(str(reason))}") from error
    finally:
        os.environ.pop(ATTEMPT, None)
