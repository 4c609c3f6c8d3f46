"""What a stack takes, from a few updates of a few of its runs; nothing is written."""

import time
from collections.abc import Sequence

import torch

from lossbench.config.facts import build_source
from lossbench.config.schema import RunConfig
from lossbench.data.images.image_source import ImageSource
from lossbench.training.assemble import assemble
from lossbench.vectorized.members import in_order
from lossbench.vectorized.shared import Shared
from lossbench.vectorized.train import StackedRuns

TRIED, STEPS = 32, 10
"""Runs and updates that are timed."""
WRITING = 0.005
"""Seconds to write the files of a run."""


def time_stack(configs: Sequence[RunConfig]) -> float | None:
    """Time a few of some runs that are stacked; of images None, whose features would be computed first.

    Args:
        configs: of the runs, all of one group.

    Returns:
        Seconds that all of them take, on one thread; more runs than were tried take longer in proportion.
    """
    if isinstance(build_source(configs[0].data.source), ImageSource):
        return None
    tried = [configs[k] for k in in_order(configs)][:: -(-len(configs) // TRIED)]
    parts, before = assemble(configs[0]), torch.get_num_threads()
    device = torch.device("cuda" if configs[0].trainer.accelerator != "cpu" and torch.cuda.is_available() else "cpu")
    torch.set_num_threads(1)
    try:
        stacked = StackedRuns(tried, Shared(parts), device)
        _seconds(stacked, 2)  # the first one is traced
        update = _seconds(stacked, STEPS) / STEPS
        began = time.perf_counter()
        stacked.evaluations("val")
        measured = time.perf_counter() - began
    finally:
        torch.set_num_threads(before)
    epochs = -(-parts.total_steps // parts.steps_per_epoch)
    return (update * parts.total_steps + measured * (epochs + 2)) * len(configs) / len(tried) + WRITING * len(configs)


def _seconds(stacked: StackedRuns, steps: int) -> float:
    """What some updates take, until the device has made them."""
    began = time.perf_counter()
    for _ in range(steps):
        stacked.stack.train_step()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - began
