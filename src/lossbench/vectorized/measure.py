"""The memory that one run of a stack needs, measured on a few."""

from collections.abc import Sequence

import torch

from lossbench.config.schema import RunConfig
from lossbench.job.memory import memory_failure
from lossbench.vectorized.engine.step.choice import EAGER
from lossbench.vectorized.memory import peak_of, release
from lossbench.vectorized.shared import Shared
from lossbench.vectorized.train import StackedRuns

TRIED = 8  # runs that memory is measured on


def bytes_per_run(configs: Sequence[RunConfig], shared: Shared, device: torch.device) -> float | None:
    """Measure on a few runs, on fewer where these do not fit; None where not even one does.

    Args:
        configs: of the runs, all of one group.
        shared: what they share.
        device: where they are trained.
    """
    tried = min(TRIED, len(configs))
    while (size := _measured(spread(configs, tried), shared, device)) is None and tried > 1:
        release()
        tried //= 2
    return size


def spread(configs: Sequence[RunConfig], count: int) -> list[RunConfig]:
    """Choose some runs far apart: of other losses, and of other replicates or seeds, which see other batches."""
    step = len(configs) // count
    return [configs[k * step + k % step] for k in range(count)]


def _measured(configs: Sequence[RunConfig], shared: Shared, device: torch.device) -> float | None:
    """Bytes for each run: two steps and an evaluation, its rows and predictions; None where memory is too small."""
    rows = shared.parts.total_steps / configs[0].log_every_n_steps * 5 * 8

    def work() -> None:
        tried = StackedRuns(configs, shared, device)
        tried.stack.engine = EAGER  # which needs more memory
        for _ in range(min(2, shared.parts.total_steps)):
            tried.stack.train_step()
        for stage in configs[0].stages:
            tried.evaluations(stage)

    try:
        work()  # once before: what the first call of anything leaves behind is not the runs'
        return peak_of(work, device) / len(configs) + rows
    except (RuntimeError, MemoryError) as error:
        if memory_failure(error) is None:
            raise
        return None
