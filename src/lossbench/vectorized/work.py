"""Train one stack, save it on the way, and write the files of its runs."""

import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from tqdm import tqdm

from lossbench.errors import Stopped
from lossbench.job.signals import SIGNALS
from lossbench.launch.progress import SweepProgress
from lossbench.rundir.directory import RunDirectory
from lossbench.rundir.files import synced_together
from lossbench.rundir.provenance import code_state
from lossbench.rundir.result import Result
from lossbench.training.assemble import Parts
from lossbench.vectorized.checkpoint import resume, save_stack, tidy
from lossbench.vectorized.files import histories, write_run
from lossbench.vectorized.train import StackedRuns

SAVED_EVERY = 20.0  # seconds between two savings of a stack


def train_and_write(runs: Sequence[RunDirectory], parts: Parts, device: torch.device, progress: SweepProgress) -> None:
    """Train locked runs in one stack, from where it was interrupted, and write their results.

    Raises:
        Stopped: a signal came; the stack is saved.
        KeyboardInterrupt: Ctrl-C; the stack is saved.
    """
    began = time.perf_counter()
    stacked = StackedRuns([run.config for run in runs], parts, device)
    resume(stacked, runs, progress.say)
    left = (parts.total_steps - stacked.stack.step) * len(runs)
    saving = _Saving(runs, stacked)
    with _bar(left, progress) as bar, stops_between_steps(stacked):
        try:
            stacked.train(saving.after_epoch, lambda steps: bar.update(steps * len(runs)))
        except KeyboardInterrupt:
            saving.save()
            if (number := stacked.interrupted) is not None and number in SIGNALS:
                raise Stopped(number.name) from None
            raise
    trained = time.perf_counter() - began
    progress.say(f"trained in {trained:.1f} s, {left / trained:,.0f} run-steps/s; measuring and writing")
    if trained > SAVED_EVERY:
        saving.save()
    _write_all(runs, stacked, progress, began)
    tidy(runs[0].path.parents[1])


class _Saving:
    """Save a stack now and then."""

    def __init__(self, runs: Sequence[RunDirectory], stacked: StackedRuns) -> None:
        self.runs, self.stacked, self.saved = runs, stacked, time.monotonic()

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


@contextmanager
def stops_between_steps(stacked: StackedRuns) -> Iterator[None]:
    """Defer Ctrl-C and SIGTERM to the end of a step, when the state is whole; the second one acts at once."""
    before: dict[int, Any] = {number: signal.getsignal(number) for number in (signal.SIGINT, *SIGNALS)}

    def defer(number: int, frame: Any) -> None:
        stacked.interrupted = signal.Signals(number)
        signal.signal(number, before[number])

    for number in before:
        signal.signal(number, defer)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _write_all(runs: Sequence[RunDirectory], stacked: StackedRuns, progress: SweepProgress, began: float) -> None:
    """Write the files of all runs, then their results."""
    made_with = code_state()
    weights = stacked.best.weights if runs[0].config.evaluate == "best" else None
    outputs = {stage: stacked.evaluations(stage, weights) for stage in ("val", "test")}
    finite, seconds = stacked.finite(), time.perf_counter() - began
    results: dict[RunDirectory, Result] = {}
    with synced_together():
        for k, (run, history) in enumerate(zip(runs, histories(stacked), strict=True)):
            if finite[k]:
                evaluations = {stage: found[k] for stage, found in outputs.items()}
                results[run] = write_run(run, k, stacked, history, evaluations, made_with, seconds / len(runs))
            else:
                run.set_status("failed", reason=stacked.divergence(k))
                progress.finished(run, None, stacked.divergence(k))
    with synced_together():
        for run, result in results.items():
            result.write(run.result_path)
            run.set_status("done")
            progress.finished(run, result, say=False)
