"""What a stack takes, from a few updates of a few of its runs; nothing is written."""

import time
from collections.abc import Callable, Sequence

import torch

from lossbench.config.facts import build_source
from lossbench.config.schema import RunConfig
from lossbench.data.images.image_source import ImageSource
from lossbench.training.assemble import assemble
from lossbench.vectorized.members import in_order
from lossbench.vectorized.shared import Shared
from lossbench.vectorized.train import StackedRuns

TRIED, FEW, STEPS = 32, 8, 10
"""Runs that are timed, fewer beside them, and updates."""
WRITING = 0.005
"""Seconds to write the files of a run."""


def time_stack(configs: Sequence[RunConfig]) -> float | None:
    """Time a few of some runs that are stacked; of images None, whose features would be computed first.

    Args:
        configs: of the runs, all of one group.

    Returns:
        Seconds that all of them take, on one thread; what more runs add is seen on two numbers of them: on a GPU that
        has room left it is nothing.
    """
    if isinstance(build_source(configs[0].data.source), ImageSource):
        return None
    ordered, before = [configs[k] for k in in_order(configs)], torch.get_num_threads()
    tried = ordered[:: -(-len(configs) // TRIED)]
    shared = Shared(assemble(configs[0]))
    device = torch.device("cuda" if configs[0].trainer.accelerator != "cpu" and torch.cuda.is_available() else "cpu")
    torch.set_num_threads(1)
    try:
        seconds = _whole(tried, shared, device)
        if len(configs) > len(tried):
            few = tried[:: -(-len(tried) // FEW)]
            added = (seconds - _whole(few, shared, device)) / (len(tried) - len(few))
            seconds += max(added, 0.0) * (len(configs) - len(tried))
    finally:
        torch.set_num_threads(before)
    return seconds + WRITING * len(configs)


def _whole(configs: Sequence[RunConfig], shared: Shared, device: torch.device) -> float:
    """What a stack takes from its first step to its last evaluation, from a few updates and one evaluation."""
    stacked, parts = StackedRuns(configs, shared, device), shared.parts
    _update_and_evaluation(stacked)  # the first of each is traced, and a device's first work takes longer
    update, evaluation = _update_and_evaluation(stacked)
    epochs = -(-parts.total_steps // parts.steps_per_epoch)
    return update * parts.total_steps + evaluation * (epochs + 2)


def _update_and_evaluation(stacked: StackedRuns) -> tuple[float, float]:
    """What an update takes, and an evaluation, s."""
    updates = _seconds(lambda: [stacked.stack.train_step() for _ in range(STEPS)], stacked.device)
    return updates / STEPS, _seconds(lambda: stacked.evaluations("val"), stacked.device)


def _seconds(work: Callable[[], object], device: torch.device) -> float:
    """What some work takes, until the device has done it."""
    began = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - began
