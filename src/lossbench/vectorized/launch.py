"""Run planned directories as stacks: sort, measure, train, write; what cannot be stacked runs one by one."""

import signal
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from tqdm import tqdm

from lossbench.config.facts import Cache
from lossbench.config.schema import RunConfig
from lossbench.config.verify import verify
from lossbench.errors import OwnedError, Stopped, UserError, one_line
from lossbench.hardware import keep_freed_memory
from lossbench.job.signals import SIGNALS
from lossbench.launch.local import run_here
from lossbench.launch.progress import SweepProgress
from lossbench.rundir.directory import RunDirectory
from lossbench.rundir.files import synced_together
from lossbench.rundir.lock import Lock, all_of
from lossbench.rundir.provenance import code_state
from lossbench.rundir.result import Result
from lossbench.training.assemble import Parts, assemble
from lossbench.training.machine import check_hardware
from lossbench.vectorized.checkpoint import key_of, resume, save_stack, saved_stacks, tidy
from lossbench.vectorized.eligible import group_of, why_not
from lossbench.vectorized.files import histories, write_run
from lossbench.vectorized.memory import budget, peak_of, runs_at_once
from lossbench.vectorized.train import StackedRuns, in_order

TRIED = 8  # runs that memory is measured on
SAVED_EVERY = 20.0  # seconds between two savings of a stack
LARGE = 1_000_000  # parameters in a stack that are worth all CPU threads


def run_stacked(
    runs: Sequence[RunDirectory], progress: SweepProgress, memory_gb: float | None = None, max_runs: int | None = None
) -> None:
    """Bring run directories to their results, as many at once as can be.

    Args:
        runs: planned directories.
        progress: is told how each goes.
        memory_gb: what a stack may take, GB; None is half of the free memory.
        max_runs: most runs in a stack; None is as many as fit.

    Raises:
        UserError: a limit is wrong, or too small for a single run.
    """
    if max_runs is not None and (isinstance(max_runs, bool) or not isinstance(max_runs, int) or max_runs < 1):
        raise UserError(f"hydra.launcher.max_runs must be a whole number >= 1 or null, got {max_runs!r}")
    budget(torch.device("cpu"), memory_gb)
    keep_freed_memory()
    groups: dict[str, list[RunDirectory]] = {}
    alone: dict[str, list[RunDirectory]] = {}
    others: list[RunDirectory] = []
    for run in runs:
        reason = why_not(run.config)
        (groups if reason is None else alone).setdefault(group_of(run.config) if reason is None else reason, []).append(
            run
        )
    for members in groups.values():
        reason = _run_group(members, progress, memory_gb, max_runs, others)
        if reason is not None:
            alone.setdefault(reason, []).extend(members)
    for reason, members in alone.items():
        progress.say(f"one by one, {len(members)} {'run' if len(members) == 1 else 'runs'}: {reason}")
        run_here(members, progress)
    run_here(others, progress)


def _run_group(
    runs: Sequence[RunDirectory],
    progress: SweepProgress,
    memory_gb: float | None,
    max_runs: int | None,
    others: list[RunDirectory],
) -> str | None:
    """Train runs that share everything but seed, loss and numbers; give the reason if their model cannot be stacked.

    `others` gets the runs that another process is working on.
    """
    config = runs[0].config
    check_hardware(config.trainer)
    device = torch.device("cuda" if config.trainer.accelerator != "cpu" and torch.cuda.is_available() else "cpu")
    runs, parts = _assembled(runs, progress)
    if not runs:
        return None
    assert parts is not None
    runs = [runs[k] for k in in_order([run.config for run in runs])]
    with _threads(config, parts, len(runs)):
        try:
            per_run = _measured(runs[:: max(1, len(runs) // TRIED)], parts, device)
        except (RuntimeError, NotImplementedError) as error:  # torch.func's ways of saying so
            return f"model={config.model.name} cannot be mapped over runs ({one_line(error).split('. ')[0][:120]})"
        most = min(runs_at_once(per_run, len(runs), budget(device, memory_gb)), max_runs or len(runs))
        chunks = _chunks(runs, most)
        for number, chunk in enumerate(chunks, 1):
            of = f" ({number} of {len(chunks)})" if len(chunks) > 1 else ""
            what = f"{config.model.name} on {config.data.name}, {parts.total_steps:,} steps, {device}"
            progress.say(f"stack{of}: {len(chunk)} runs of {what}")
            others += _run_chunk(chunk, parts, device, progress)
    return None


def _assembled(runs: Sequence[RunDirectory], progress: SweepProgress) -> tuple[list[RunDirectory], Parts | None]:
    """Assemble one run of each loss, so that what does not fit together is said of those it concerns."""
    kinds: dict[str, list[RunDirectory]] = {}
    for run in runs:
        kinds.setdefault(run.config.loss.target, []).append(run)
    good: list[RunDirectory] = []
    parts: Parts | None = None
    for members in kinds.values():
        try:
            found = assemble(members[0].config)
        except UserError as error:
            for run in members:
                run.set_status("failed", reason=one_line(error))
                progress.started(run)
                progress.finished(run, None, one_line(error))
        else:
            parts = parts or found
            good += members
    return good, parts


def _measured(runs: Sequence[RunDirectory], parts: Parts, device: torch.device) -> float:
    """Bytes that one run needs in a stack: two steps and an evaluation of a few, their rows and predictions."""
    configs = [run.config for run in runs]
    rows = parts.total_steps / configs[0].log_every_n_steps * 5 * 8

    def work() -> None:
        tried = StackedRuns(configs, parts, device)
        for _ in range(min(2, parts.total_steps)):
            tried.stack.train_step()
        tried.evaluations("val")
        tried.evaluations("test")

    work()  # once before: what the first call of anything leaves behind is not the runs'
    return peak_of(work, device) / len(configs) + rows


def _chunks(runs: Sequence[RunDirectory], most: int) -> list[list[RunDirectory]]:
    """Chunks of at most so many runs; those of a stack that was interrupted stay together."""
    begun = [
        [run for run in runs if key_of(run) in saved["runs"]] for _, saved in saved_stacks(runs[0].path.parents[1])
    ]
    begun = [chunk for chunk in begun if chunk]
    rest = [run for run in runs if not any(run in chunk for chunk in begun)]
    return [part for chunk in (*begun, rest) for part in (chunk[k : k + most] for k in range(0, len(chunk), most))]


def _run_chunk(
    runs: Sequence[RunDirectory], parts: Parts, device: torch.device, progress: SweepProgress
) -> list[RunDirectory]:
    """Train and write a chunk; give the runs that another process is working on."""
    owned, others = _owned(runs, progress)
    with all_of([lock for _, lock in owned]):
        runs = [run for run, _ in owned]
        with synced_together():
            for run in runs:
                progress.started(run)
                run.set_status("running")
        try:
            if runs:
                _train_and_write(runs, parts, device, progress)
        except (KeyboardInterrupt, SystemExit) as error:
            state = (
                ("preempted", f"asked to stop: {error.why}")
                if isinstance(error, Stopped)
                else ("cancelled", "interrupted by the user")
            )
            for run in _unfinished(runs, progress):
                run.set_status(state[0], reason=state[1])
            raise
        except Exception as error:  # a full disk, no memory: this stack fails, the next may not
            reason = (
                one_line(error) if isinstance(error, UserError) else f"{type(error).__name__}: {one_line(error)[:300]}"
            )
            for run in _unfinished(runs, progress):
                run.log_path.write_text(traceback.format_exc())
                run.set_status("failed", reason=reason)
                progress.finished(run, None, reason)
    return others


def _unfinished(runs: Sequence[RunDirectory], progress: SweepProgress) -> list[RunDirectory]:
    return [run for run in runs if not run.result_path.exists() and run not in progress.failed]


def _owned(
    runs: Sequence[RunDirectory], progress: SweepProgress
) -> tuple[list[tuple[RunDirectory, Lock]], list[RunDirectory]]:
    """Lock and verify each run; also give those that another process has. What cannot be run is said and left out."""
    owned, others, cache = [], [], Cache()
    for run in runs:
        lock = run.lock()
        try:
            lock.take()
            try:
                verify(run, cache)
            except UserError:
                lock.release()
                raise
        except OwnedError:
            others.append(run)
        except UserError as error:
            progress.started(run)
            progress.finished(run, None, one_line(error))
        else:
            owned.append((run, lock))
    return owned, others


def _train_and_write(runs: Sequence[RunDirectory], parts: Parts, device: torch.device, progress: SweepProgress) -> None:
    began = time.perf_counter()
    stacked = StackedRuns([run.config for run in runs], parts, device)
    resume(stacked, runs, progress.say)
    saved = time.monotonic()

    def save(now: bool = False) -> None:
        nonlocal saved
        if now or time.monotonic() - saved > SAVED_EVERY:
            save_stack(runs, stacked)
            saved = time.monotonic()

    def tell(steps: int) -> None:
        bar.update(steps * len(runs))

    left = (parts.total_steps - stacked.stack.step) * len(runs)
    bar = tqdm(
        total=left,
        unit=" run-steps",
        unit_scale=True,
        leave=False,
        disable=not progress.in_terminal,
        dynamic_ncols=True,
    )
    with bar, stops_between_steps(stacked):
        try:
            stacked.train(save, tell)
        except KeyboardInterrupt:
            save(now=True)
            if (heard := stacked.interrupted) is not None and heard in SIGNALS:
                raise Stopped(heard.name) from None
            raise
    trained = time.perf_counter() - began
    progress.say(f"trained in {trained:.1f} s, {left / trained:,.0f} run-steps/s; measuring and writing")
    save(now=trained > SAVED_EVERY)
    _write_all(runs, stacked, progress, began)
    tidy(runs[0].path.parents[1])


@contextmanager
def stops_between_steps(stacked: StackedRuns) -> Iterator[None]:
    """Let Ctrl-C and SIGTERM wait for the end of a step, so that what is saved then is whole; the second one does not wait."""
    before: dict[int, Any] = {number: signal.getsignal(number) for number in (signal.SIGINT, *SIGNALS)}

    def cache(number: int, frame: Any) -> None:
        stacked.interrupted = signal.Signals(number)
        signal.signal(number, before[number])

    for number in before:
        signal.signal(number, cache)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _write_all(runs: Sequence[RunDirectory], stacked: StackedRuns, progress: SweepProgress, began: float) -> None:
    made_with, weights = code_state(), None
    if runs[0].config.evaluate == "best":
        weights = stacked.best_weights
    outputs = {stage: stacked.evaluations(stage, weights) for stage in ("val", "test")}
    finite, seconds = stacked.finite(), time.perf_counter() - began
    results: dict[RunDirectory, Result] = {}
    with synced_together():
        for k, (run, told) in enumerate(zip(runs, histories(stacked), strict=True)):
            if finite[k]:
                evaluations = {stage: found[k] for stage, found in outputs.items()}
                results[run] = write_run(run, k, stacked, told, evaluations, made_with, seconds / len(runs))
            else:
                reason = stacked.spoilt_reason(k)
                run.set_status("failed", reason=reason)
                progress.finished(run, None, reason)
    with synced_together():
        for run, result in results.items():
            result.write(run.result_path)
            run.set_status("done")
            progress.finished(run, result, say=False)


@contextmanager
def _threads(config: RunConfig, parts: Parts, runs: int) -> Iterator[None]:
    before, wanted = torch.get_num_threads(), config.trainer.threads
    if wanted == "auto":
        wanted = before if runs * sum(p.numel() for p in parts.model.parameters()) > LARGE else 1
    torch.set_num_threads(wanted)
    try:
        yield
    finally:
        torch.set_num_threads(before)
