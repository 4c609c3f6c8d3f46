"""What stacks would take, before they are trained. Torch-free until a stack is timed."""

from collections.abc import Sequence

from lossbench.config.schema import RunConfig
from lossbench.vectorized.eligible import group_of, why_not


def stack_of(config: RunConfig) -> str | None:
    """What the runs of a stack have in common; None for a run that is trained by itself."""
    return None if why_not(config) else group_of(config)


def time_stack(configs: Sequence[RunConfig]) -> float:
    """Time a stack of some runs, s."""
    from lossbench.vectorized.timing import time_stack as timed  # imports torch

    return timed(configs)
