"""A group of runs that differ in replicate or seed, loss and the optimiser's numbers: how many at once."""

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch

from lossbench.config.schema import RunConfig
from lossbench.errors import one_line
from lossbench.job.signals import StopSignals
from lossbench.launch.progress import SweepProgress, number_of_runs
from lossbench.rundir.directory import RunDirectory
from lossbench.training.machine import check_hardware
from lossbench.training.notices import notices
from lossbench.vectorized.assembly import assembled, left_out_lines, of_one_size
from lossbench.vectorized.checkpoint import key_of, saved_stacks
from lossbench.vectorized.chunk import run_chunk
from lossbench.vectorized.eligible.worth import why_one_by_one
from lossbench.vectorized.launch.divide import in_order
from lossbench.vectorized.measure import bytes_per_run
from lossbench.vectorized.memory import Limits, release
from lossbench.vectorized.shared import Shared

LARGE = 1_000_000  # parameters in a stack that are worth all CPU threads


def run_group(
    runs: Sequence[RunDirectory],
    progress: SweepProgress,
    limits: Limits,
    locked: list[RunDirectory],
    stop_signals: StopSignals,
) -> str | None:
    """Train a group in as few stacks as memory allows.

    Args:
        runs: the group.
        progress: shows how each goes.
        limits: of a stack.
        locked: gets the runs that another process is working on.
        stop_signals: a signal stops a stack after a step.

    Returns:
        The reason why its model cannot be stacked, or None.
    """
    config = runs[0].config
    check_hardware(config.trainer)
    with stop_signals.stops_at_once():
        good, shared = assembled(runs, progress, locked)
    if shared is None or not good:
        return None
    for line in left_out_lines(good, shared):
        progress.say(line)
    for line in notices(config, shared.parts):
        progress.say(f"notice: {line}")
    alike, others = of_one_size(good, shared)
    if others:
        what = "replicates with other numbers of training or validation examples, or of columns"
        progress.say(f"{number_of_runs(len(others))} make stacks of their own: {what}")
    reason = _run_assembled(alike, shared, progress, limits, locked, stop_signals) if alike else None
    return reason or (run_group(others, progress, limits, locked, stop_signals) if others else None)


def _run_assembled(
    runs: Sequence[RunDirectory],
    shared: Shared,
    progress: SweepProgress,
    limits: Limits,
    locked: list[RunDirectory],
    stop_signals: StopSignals,
) -> str | None:
    """Measure how many runs memory holds and train them; give the reason why they are not stacked."""
    runs = [runs[k] for k in in_order([run.config for run in runs])]
    config = runs[0].config
    device = torch.device("cuda" if config.trainer.accelerator != "cpu" and torch.cuda.is_available() else "cpu")
    if (reason := why_one_by_one(config, shared.parts, device)) is not None:
        return reason
    with threads_of(config, shared, len(runs)):
        try:
            with stop_signals.stops_at_once():
                size = bytes_per_run([run.config for run in runs], shared, device)
        except RuntimeError as error:  # torch.func raises it for an operation that it cannot map
            return f"model={config.model.name} cannot be mapped over runs ({one_line(error).split('. ')[0][:120]})"
        most = 1 if size is None else limits.runs_at_once(size, len(runs), device)
        locked += _run_stacks(_chunks(runs, most, progress), shared, device, progress, limits, stop_signals)
    return None


def _run_stacks(
    chunks: Sequence[list[RunDirectory]],
    shared: Shared,
    device: torch.device,
    progress: SweepProgress,
    limits: Limits,
    stop_signals: StopSignals,
) -> list[RunDirectory]:
    """Train stack after stack, smaller ones once one did not fit; give the runs that another process is working on."""
    waiting, locked, number = deque(chunks), list[RunDirectory](), 0
    while waiting:
        stop_signals.check()
        chunk, number = waiting.popleft(), number + 1
        of = f" ({number} of {number + len(waiting)})" if number + len(waiting) > 1 else ""
        config = chunk[0].config
        what = f"{config.model.name} on {config.data.name}, {shared.parts.total_steps:,} steps, {device}"
        progress.say(f"stack{of}: {number_of_runs(len(chunk))} of {what}")
        outcome = run_chunk(chunk, shared, device, progress, limits, stop_signals)
        locked += outcome.locked
        if outcome.too_many:
            release()
            most = -(-len(outcome.too_many) // 2)
            progress.say(f"out of memory with {len(outcome.too_many)} runs: going on with at most {most} at once")
            waiting = deque(part for each in (outcome.too_many, *waiting) for part in _pieces(each, most))
    return locked


def _chunks(runs: Sequence[RunDirectory], most: int, progress: SweepProgress) -> list[list[RunDirectory]]:
    """Chunks of at most so many runs; those of a stack that was interrupted stay together."""
    left, chunks = {key_of(run): run for run in runs}, list[list[RunDirectory]]()
    for _, saved in saved_stacks(runs[0].path.parents[1], progress.say):
        begun = [key for key in saved["runs"] if key in left]  # a run may be in several: the newest has it
        chunks += _pieces([left.pop(key) for key in begun], most)
    return [*chunks, *_pieces([*left.values()], most)]


def _pieces(chunk: Sequence[RunDirectory], most: int) -> list[list[RunDirectory]]:
    return [list(chunk[k : k + most]) for k in range(0, len(chunk), most)]


@contextmanager
def threads_of(config: RunConfig, shared: Shared, runs: int) -> Iterator[None]:
    """Compute with as many CPU threads as a stack of so many runs is worth.

    Args:
        config: of one of the runs.
        shared: what they share.
        runs: their number.
    """
    before, wanted = torch.get_num_threads(), config.trainer.threads
    if wanted == "auto":
        wanted = before if runs * sum(p.numel() for p in shared.parts.model.parameters()) > LARGE else 1
    torch.set_num_threads(wanted)
    try:
        yield
    finally:
        torch.set_num_threads(before)
