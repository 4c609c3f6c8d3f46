"""Losses that compare a predicted distribution with an actual one, or with a count drawn from it."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor
from torch.nn import functional as F

from lossbench.losses.base import Loss
from lossbench.losses.values import same_shape

__all__ = ["KLDiv", "PoissonNLL", "kl_div", "poisson_nll"]

LOG_RATE_LIMIT = 60.0
"""Beyond it the rate continues as the exponential's tangent, so that nothing overflows float32."""


def kl_div(output: Tensor, target: Tensor) -> Tensor:
    """Kullback-Leibler divergence of the predicted from the actual distribution: 0 where they agree.

    L = sum_c t_c (log t_c - log p_c) with p = softmax(output)

    Args:
        output: (batch, C) log-probabilities, which a log-softmax leaves as they are, or logits, which it makes
            log-probabilities.
        target: (batch, C) probabilities that sum to 1.

    Returns:
        (batch,) values >= 0 in nats. Their mean is what torch calls 'batchmean'.

    Raises:
        ValueError: shapes that differ, or integers.

    When to use:
        The target is a distribution, such as the answers of several annotators or another model.

    Pitfalls:
        It takes logits or log-probabilities, not probabilities. Its least value is 0, unlike cross-entropy's, at the
        same outputs.

    Reference:
        Kullback & Leibler 1951; torch.nn.KLDivLoss.
    """
    o, t = same_shape(output, target, dimensions=2)
    return F.kl_div(torch.log_softmax(o, -1), t, reduction="none").sum(-1)


def poisson_nll(output: Tensor, target: Tensor, *, full: bool = False) -> Tensor:
    """Negative log-likelihood of counts under Poisson distributions whose log rates are predicted.

    L = mean_k exp(o_k) - t_k o_k, and `full` adds t log t - t + log(2 pi t) / 2 for t > 1; exp continues linearly
    beyond e^60.

    Args:
        output: (batch,) or (batch, K) log rates.
        target: the same shape, counts >= 0 as floats.
        full: whether to add Stirling's approximation of log t!, which changes no gradient and makes the value a
            likelihood.

    Returns:
        (batch,) values in nats, means over the K numbers of an example; negative ones are possible.

    Raises:
        ValueError: shapes that differ, or integers.

    When to use:
        The target counts events, and the rate is wanted.

    Pitfalls:
        The output is the logarithm of the rate: exp makes steps large, so start with a low learning rate. Counts that
        vary more than their mean are not Poisson; its intervals are then too narrow.

    Reference:
        torch.nn.PoissonNLLLoss with log_input=True.
    """
    o, t = same_shape(output, target)
    inside = torch.where(o > LOG_RATE_LIMIT, LOG_RATE_LIMIT, o)
    values = F.poisson_nll_loss(inside, t, log_input=True, full=full, reduction="none")
    values = values + (math.exp(LOG_RATE_LIMIT) - t) * torch.relu(o - LOG_RATE_LIMIT)
    return values.flatten(1).mean(1) if values.ndim > 1 else values


@final
@dataclass(eq=False)
class KLDiv(Loss):
    """See `kl_div`."""

    function: ClassVar[Callable[..., Tensor]] = staticmethod(kl_div)
    tasks: ClassVar[tuple[str, ...]] = ("distribution",)


@final
@dataclass(eq=False)
class PoissonNLL(Loss):
    """See `poisson_nll`."""

    function: ClassVar[Callable[..., Tensor]] = staticmethod(poisson_nll)
    tasks: ClassVar[tuple[str, ...]] = ("count",)

    full: bool = False

    @property
    def exceeds_fp16(self) -> bool:
        """Whether the gradient, exp(output) - target, can exceed float16's range: from a log rate of 11.1."""
        return True
