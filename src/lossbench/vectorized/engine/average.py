"""The moving average of the weights of each run of a stack."""

from collections.abc import Sequence

import torch
from torch import Tensor

from lossbench.vectorized.engine.optimizers import per_run


def averaged(average: Sequence[Tensor], weights: Sequence[Tensor], decay: float | Tensor) -> list[Tensor]:
    """Move the averages towards the weights: decay a + (1 - decay) w, as torch.optim.swa_utils does it for one run.

    Args:
        average: parameters and buffers, (K, ...) each; those that count are whole numbers again afterwards.
        weights: of now, likewise.
        decay: 0..1, of all runs or (K,).

    Returns:
        New averages.
    """
    return [_one(a, w, decay) for a, w in zip(average, weights, strict=True)]


def _one(a: Tensor, w: Tensor, decay: float | Tensor) -> Tensor:
    like = a if a.is_floating_point() else a.to(torch.get_default_dtype())
    return (per_run(decay, like) * a + per_run(1 - decay, like) * w).to(a.dtype)


def decay_at(step: int, decay: float | Tensor) -> float | Tensor:
    """The decay with which the weights of a step enter the average: those of the first one are the average."""
    return decay if step else 0 * decay
