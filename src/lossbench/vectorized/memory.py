"""How many runs fit into memory at once: measured on a few of them."""

import gc
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil
import torch

from lossbench.errors import UserError
from lossbench.hardware import forget_peak_memory, give_memory_back, peak_memory
from lossbench.vectorized.launch.limits import check_limits

SHARE = 0.5  # of the free memory that a stack may take where no limit is given
SPARE = 1.25  # what is measured on few runs is not exact
FEW_RUNS = 100
"""Most runs of a stack whose records for TensorBoard are written without being asked for."""
CGROUP = Path("/sys/fs/cgroup/memory.max")


@dataclass(frozen=True)
class Limits:
    """Limits of a stack.

    Args:
        memory_gb: memory that it may take, GB; None is half of what is free.
        max_runs: most runs; None is as many as fit.
        tensorboard: whether TensorBoard's records are written; "auto" of stacks of at most `FEW_RUNS` runs.
    """

    memory_gb: float | None = None
    max_runs: int | None = None
    tensorboard: bool | str = "auto"

    def check(self) -> None:
        """Raise UserError for a limit that is no number > 0."""
        check_limits(self.memory_gb, self.max_runs, self.tensorboard)

    def has_tensorboard(self, runs: int) -> bool:
        """Whether TensorBoard's records of a stack of so many runs are written, where their logger is configured."""
        return runs <= FEW_RUNS if self.tensorboard == "auto" else bool(self.tensorboard)

    def budget(self, device: torch.device) -> int:
        """Bytes that a stack may take: the limit given, else half of what is free now."""
        if self.memory_gb is not None:
            return int(self.memory_gb * 1e9)
        if device.type == "cuda":
            return int(SHARE * torch.cuda.mem_get_info(device)[0])
        free = psutil.virtual_memory().available
        limit, used = CGROUP.read_text().strip() if CGROUP.exists() else "max", psutil.Process().memory_info()
        if limit.isdigit():
            free = min(free, int(limit) - used.rss)
        if (of_job := os.environ.get("SLURM_MEM_PER_NODE", "")).isdigit():  # in MB; 0 is all that the node has
            free = min(free, (int(of_job) * 10**6 or free) - used.rss)
        if (addresses := _address_space()) is not None:
            free = min(free, addresses - used.vms)
        return int(SHARE * max(free, 0))

    def runs_at_once(self, per_run: float, runs: int, device: torch.device) -> int:
        """How many runs fit.

        Args:
            per_run: bytes that one of them needs, measured.
            runs: how many there are.
            device: where they are trained.

        Raises:
            UserError: not even one fits into the limit that was given; into free memory, one is tried.
        """
        budget = self.budget(device)
        fit = int(budget / (SPARE * max(per_run, 1.0)))
        if fit < 1 and self.memory_gb is not None:
            raise UserError(
                f"hydra.launcher.memory_gb={self.memory_gb:.3g}: one run needs about {SPARE * per_run / 1e9:.3g} GB; "
                "give more, or take a smaller model or data.batch_size"
            )
        return min(max(fit, 1), runs, self.max_runs or runs)


def _address_space() -> int | None:
    """Bytes of addresses that this process may have (ulimit -v); None is no limit."""
    if sys.platform == "win32":
        return None
    import resource  # Unix alone has it

    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    return None if limit == resource.RLIM_INFINITY else limit


def release() -> None:
    """Give back what a stack has left, after nothing refers to it any more."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    give_memory_back()


def peak_of(work: Callable[[], object], device: torch.device) -> int:
    """Bytes that some work needs at its worst, more than there were before."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        work()
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device) - before
    give_memory_back()
    forget_peak_memory()
    before = peak_memory()
    work()
    return max(0, peak_memory() - before)
