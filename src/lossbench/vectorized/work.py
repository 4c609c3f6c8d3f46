"""Train one stack, save it on the way, and write the files of its runs."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from tqdm import tqdm

from lossbench.job.signals import StopSignals
from lossbench.launch.progress import SweepProgress
from lossbench.rundir.directory import RunDirectory
from lossbench.rundir.files import synced_together
from lossbench.rundir.progress_file import ProgressFile, removed_after, stack_progress
from lossbench.rundir.provenance import code_state
from lossbench.rundir.result import Result
from lossbench.rundir.status import DIVERGED
from lossbench.training.evaluation import Evaluation
from lossbench.training.rows import RunClock
from lossbench.vectorized.checkpoint import resume, save_stack, tidy, whole_stack
from lossbench.vectorized.memory import Limits
from lossbench.vectorized.results.files import RunFiles, has_tensorboard
from lossbench.vectorized.results.measured import Found, Measures
from lossbench.vectorized.shared import Shared
from lossbench.vectorized.train import StackedRuns

NO_TENSORBOARD = (
    "no records for TensorBoard: the stack is large, and metrics.csv has the same numbers; "
    "hydra.launcher.tensorboard=true writes them"
)
SAVED_EVERY = 20.0  # seconds between two savings of a stack


def train_and_write(
    runs: Sequence[RunDirectory],
    shared: Shared,
    device: torch.device,
    progress: SweepProgress,
    limits: Limits,
    stop_signals: StopSignals,
) -> None:
    """Train locked runs in one stack, from where it was interrupted, and write their results.

    Raises:
        Stopped: a signal came; the stack is saved.
    """
    began = time.perf_counter()
    whole = whole_stack(runs)
    stacked = StackedRuns([run.config for run in whole], shared, device)
    stacked.clock = RunClock(began, resume(stacked, whole, progress.say))
    left, before = (shared.parts.total_steps - stacked.stack.step) * len(whole), stacked.run_steps
    shown = stack_progress([run.path for run in runs], shared.parts.total_steps, shared.parts.steps_per_epoch)
    saving = _Saving(whole, stacked, stop_signals, shown)
    with stop_signals.stops_if_urgent(), removed_after(*shown.files):
        with _bar(left, progress) as bar:
            stacked.train(saving.after_step, saving.after_epoch, lambda steps: bar.update(steps * len(whole)))
        trained = time.perf_counter() - began
        made = stacked.run_steps - before
        progress.say(f"trained in {trained:.1f} s, {made / trained:,.0f} run-steps/s; measuring and writing")
        if made:
            saving.save()  # killed while it writes its results, it is measured again as a whole
        outputs, beside = _outputs(runs[0], stacked), stacked.tested_beside()
    found = _measured(stacked, outputs, beside)
    wanted, allowed = has_tensorboard(runs[0].config), limits.has_tensorboard(len(whole))
    _write_all(whole, stacked, outputs, found, progress, todo=set(runs), tensorboard=wanted and allowed)
    if wanted and not allowed:
        progress.say(NO_TENSORBOARD)
    tidy(runs[0].path.parents[1])


class _Saving:
    """Save a stack now and then, and when it is to stop; write how far it is."""

    def __init__(
        self, runs: Sequence[RunDirectory], stacked: StackedRuns, stop_signals: StopSignals, shown: ProgressFile
    ) -> None:
        self.runs, self.stacked, self.stop_signals, self.shown = runs, stacked, stop_signals, shown
        self.shown.start(stacked.stack.step)
        self.saved = time.monotonic()

    def after_step(self) -> None:
        """Save and stop if a signal has come; the state is that between two steps."""
        self.shown.update(self.stacked.stack.step)
        if self.stop_signals.received is not None:
            self.save()
            self.stop_signals.stop(f"step {self.stacked.stack.step} of {self.stacked.parts.total_steps}")

    def after_epoch(self) -> None:
        """Save if the last time is long ago."""
        if time.monotonic() - self.saved > SAVED_EVERY:
            self.save()

    def save(self) -> None:
        """Save now, or end trying."""
        save_stack(self.runs, self.stacked)
        self.saved = time.monotonic()


def _bar(run_steps: int, progress: SweepProgress) -> "tqdm[Any]":
    shown = {"unit": " run-steps", "unit_scale": True, "leave": False, "dynamic_ncols": True}
    return tqdm(total=run_steps, disable=not progress.in_terminal, **shown)


def _outputs(run: RunDirectory, stacked: StackedRuns) -> dict[str, list[Evaluation]]:
    """The outputs of all runs on the splits that are measured, with the weights that are tested."""
    weights = stacked.best.weights if run.config.evaluate == "best" else None
    return {stage: stacked.evaluations(stage, weights) for stage in run.config.stages}


def _measured(
    stacked: StackedRuns, outputs: Mapping[str, Sequence[Evaluation]], beside: Sequence[Evaluation]
) -> list[Found]:
    """What is measured of each run at its end, on the CPU."""
    losses = [member.loss.cpu() for member in stacked.members]
    monitored = stacked.configs[0].monitor.removeprefix("val/")
    return Measures(losses, stacked.replicates, stacked.task).of(outputs, beside, monitored)


def _write_all(
    runs: Sequence[RunDirectory],
    stacked: StackedRuns,
    outputs: Mapping[str, Sequence[Evaluation]],
    found: Sequence[Found],
    progress: SweepProgress,
    *,
    todo: set[RunDirectory],
    tensorboard: bool,
) -> None:
    """Write the files of all runs that are to be done, then their results."""
    finite, seconds = stacked.finite(), stacked.clock.seconds() / len(runs)
    files = RunFiles(stacked, seconds, code_state(), tensorboard=tensorboard)
    results: dict[RunDirectory, tuple[Result, dict[str, Any]]] = {}
    with synced_together():
        for k, (run, history) in enumerate(zip(runs, files.histories(), strict=True)):
            if run not in todo:
                continue
            if finite[k]:
                evaluations = {stage: each[k] for stage, each in outputs.items()}
                status = run.status
                results[run] = files.write(run, k, history, evaluations, found[k], status), status
            else:
                run.set_status("failed", reason=stacked.divergence(k), cause=DIVERGED)
                progress.finished(run, None, stacked.divergence(k))
    with synced_together():
        for run, (result, status) in results.items():
            result.write(run.result_path)
            run.set_status("done", status)
            progress.finished(run, result, say=False)
