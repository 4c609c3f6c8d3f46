"""Cross-entropy that spares rare classes the pushes of frequent ones."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor

from lossbench.losses.base import Loss
from lossbench.losses.values import Number, Numbers, of_classes, pick, scores

__all__ = ["Seesaw", "seesaw"]

LEAST = 0.01
"""The least probability of the true class that another one's is divided by, as in the authors' code."""


def seesaw(
    logits: Tensor,
    target: Tensor,
    *,
    mitigation: Number = 0.8,
    compensation: Number = 2.0,
    class_counts: Numbers = None,
) -> Tensor:
    """Seesaw loss: rare classes are pushed down less by examples of frequent ones, unless they are taken for them.

    L = -log(E_y / (E_y + sum_{j != y} S_{yj} E_j)) with E = exp(z), S_{yj} = M_{yj} C_{yj}, M_{yj} = min(1, n_j /
    n_y)^mitigation with n = class_counts, and C_{yj} = max(1, p_j / max(p_y, 0.01))^compensation, through which no
    gradient flows

    Args:
        logits: (batch, C), any real values.
        target: (batch,) int64 class indices, or (batch, C) class probabilities, which take C times the memory.
        mitigation: >= 0; the p of the paper, 0.8 there.
        compensation: >= 0; the q of the paper, 2 there.
        class_counts: C numbers > 0, how many examples each class has; None takes all classes for equally frequent. In a
            run null is replaced by the counts of the training split, where the authors' code counts what it has seen.

    Returns:
        (batch,) values >= 0 in nats.

    Raises:
        ValueError: a wrong shape or dtype, or not one count for each class.

    When to use:
        Many classes of which most are rare, as in instance segmentation (LVIS).

    Pitfalls:
        The gradient is not the slope of the value: it takes the compensation for a constant. That is at most 10,000 at
        compensation 2 (p_y below 0.01), and pulls as `inverse` does where the model is badly wrong: wrong labels get
        most of it. Its p is a softmax with the factors left out: calibrate.

    Reference:
        Wang et al. 2021, Seesaw Loss for Long-Tailed Instance Segmentation, arXiv 2008.10032; without its objectness
        branch and normalised classifier. Factors and the bound 0.01 as in the authors' code (MMDetection); the
        equations' numbers are not checked against the paper.
    """
    z = scores(logits, target)
    log_n = z.new_zeros(z.shape[-1:]) if class_counts is None else of_classes("class_counts", class_counts, z).log()
    if target.is_floating_point():
        own = torch.arange(z.shape[-1], device=z.device).expand(z.shape)
        return pick(_values(z, own, log_n, mitigation, compensation), target)
    return _values(z, target.unsqueeze(-1), log_n, mitigation, compensation).squeeze(-1)


def _values(z: Tensor, index: Tensor, log_n: Tensor, mitigation: Number, compensation: Number) -> Tensor:
    """The loss of each example, were it of class `index`: (batch, K) -> (batch, K)."""
    own = z.gather(-1, index)
    log_m = torch.clamp(log_n.unsqueeze(-2) - log_n[index].unsqueeze(-1), max=0.0)  # (batch, K, C)
    log_p = torch.log_softmax(z.detach(), -1)
    log_c = torch.relu(log_p.unsqueeze(-2) - log_p.gather(-1, index).clamp_min(math.log(LEAST)).unsqueeze(-1))
    adjusted = z.unsqueeze(-2) + (mitigation * log_m + compensation * log_c).to(z.dtype)
    adjusted = adjusted.scatter(-1, index.unsqueeze(-1), own.unsqueeze(-1))
    return torch.logsumexp(adjusted, -1) - own


@final
@dataclass(eq=False)
class Seesaw(Loss):
    """See `seesaw`."""

    function: ClassVar[Callable[..., Tensor]] = staticmethod(seesaw)
    per_class: ClassVar[tuple[str, ...]] = ("class_counts",)
    constant_factors: ClassVar[bool] = True

    mitigation: float = 0.8
    compensation: float = 2.0
    class_counts: Numbers = None
