"""What stacks would take, before they are trained. Torch-free until a stack is timed."""

from collections.abc import Callable, Sequence

from lossbench.config.schema import RunConfig
from lossbench.launch.outlook.way import FORK_SECONDS, Way
from lossbench.launch.pool import most_at_a_time
from lossbench.vectorized.eligible.settings import group_of, why_not
from lossbench.vectorized.launch.choice import choose


def stack_of(config: RunConfig) -> str | None:
    """What the runs of a stack have in common; None for a run that is trained by itself."""
    return None if why_not(config) else group_of(config)


def time_stack(configs: Sequence[RunConfig]) -> float:
    """Time a stack of some runs, s."""
    from lossbench.vectorized.launch.timing import time_stack as timed  # imports torch

    return timed(configs)


def way_of_auto(n_jobs: int | None, prepare: Callable[[Sequence[RunConfig]], None]) -> Way:
    """How the runs of hydra/launcher=auto go on.

    Args:
        n_jobs: most processes at a time.
        prepare: starts what takes seconds for new runs.
    """
    most = n_jobs or most_at_a_time()
    return Way(
        f"{most} at a time" if most > 1 else "one after another",
        most,
        FORK_SECONDS if most > 1 else 0.0,
        stack_of,
        time_stack,
        prepare=prepare,
        least=2,
        chosen=lambda configs: [*choose(configs, n_jobs).lines()],
    )
