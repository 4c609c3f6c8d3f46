"""The gradient of each run of a stack clipped by its own norm."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from lossbench.vectorized.engine.optimizers import Number, number_of, per_run

EPSILON = 1e-6  # torch.nn.utils.clip_grad_norm_ adds it to the norm


def max_norms(given: Sequence[float | None], device: torch.device) -> Number | None:
    """The largest norms of all runs, infinite of one that is not clipped; None where none is."""
    if not any(given):
        return None
    return number_of([math.inf if each is None else each for each in given], device)


def clipped(gradients: Sequence[Tensor], max_norm: Number) -> list[Tensor]:
    """Scale each run's gradient down to a norm, as torch.nn.utils.clip_grad_norm_ does it for one run.

    g_k min(1, max_norm_k / (||g_k|| + 1e-6)), the norm over all parameters of run k.

    Args:
        gradients: (K, ...) of each parameter.
        max_norm: > 0, of all runs or (K,); a run whose own is infinite is left as it is.

    Returns:
        New gradients.
    """
    norm = norms(gradients)
    factor = (max_norm / (norm + EPSILON)).clamp(max=1.0)
    if isinstance(max_norm, Tensor):
        factor = factor.where(max_norm.isfinite(), 1.0)  # also where the norm itself is infinite
    factor = factor.to(norm.dtype)
    return [gradient * per_run(factor, gradient) for gradient in gradients]


def norms(gradients: Sequence[Tensor]) -> Tensor:
    """The Euclidean norm of each run's gradient over all parameters: (K,)."""
    each = [torch.linalg.vector_norm(gradient.reshape(len(gradient), -1), dim=1) for gradient in gradients]
    return torch.linalg.vector_norm(torch.stack(each), dim=0)
