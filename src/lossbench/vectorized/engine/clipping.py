"""The gradient of each run of a stack clipped by its own norm."""

from collections.abc import Sequence

import torch
from torch import Tensor

from lossbench.vectorized.engine.optimizers import per_run

EPSILON = 1e-6  # torch.nn.utils.clip_grad_norm_ adds it to the norm


def clipped(gradients: Sequence[Tensor], max_norm: float | Tensor) -> list[Tensor]:
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
