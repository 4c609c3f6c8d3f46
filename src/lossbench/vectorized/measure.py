"""The memory that one run of a stack needs, measured on a few."""

from collections.abc import Sequence

import torch

from lossbench.config.schema import RunConfig
from lossbench.job.memory import memory_failure
from lossbench.training.assemble import Parts
from lossbench.vectorized.memory import peak_of, release
from lossbench.vectorized.train import StackedRuns

TRIED = 8  # runs that memory is measured on


def bytes_per_run(configs: Sequence[RunConfig], parts: Parts, device: torch.device) -> float | None:
    """Measure on a few runs, on fewer where these do not fit; None where not even one does.

    Args:
        configs: of the runs, all of one group.
        parts: what they share.
        device: where they are trained.
    """
    tried = min(TRIED, len(configs))
    while (size := _measured(configs[:: len(configs) // tried][:tried], parts, device)) is None and tried > 1:
        release()
        tried //= 2
    return size


def _measured(configs: Sequence[RunConfig], parts: Parts, device: torch.device) -> float | None:
    """Bytes for each run: two steps and an evaluation, its rows and predictions; None where memory is too small."""
    rows = parts.total_steps / configs[0].log_every_n_steps * 5 * 8

    def work() -> None:
        tried = StackedRuns(configs, parts, device)
        for _ in range(min(2, parts.total_steps)):
            tried.stack.train_step()
        tried.evaluations("val")
        tried.evaluations("test")

    try:
        work()  # once before: what the first call of anything leaves behind is not the runs'
        return peak_of(work, device) / len(configs) + rows
    except (RuntimeError, MemoryError) as error:
        if memory_failure(error) is None:
            raise
        return None
