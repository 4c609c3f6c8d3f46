"""Softmax and logarithm with a temperature each: a bounded loss, and probabilities with a heavy tail."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, final

import torch
from torch import Tensor

from lossbench.losses.base import Loss
from lossbench.losses.values import Number, pick, scores

__all__ = ["BiTempered", "bi_tempered"]

NEWTON_STEPS = 5
"""Without gradient. With the two after them the sum of p is 1 to 1e-14, and to 1e-6 in float32, for 2 to 1,000 classes,
t from 1 to 5 and logits up to 1e4."""


def bi_tempered(logits: Tensor, target: Tensor, *, t1: Number = 0.8, t2: Number = 1.2) -> Tensor:
    """Bi-tempered logistic loss: bounded for t1 < 1, with heavy-tailed probabilities for t2 > 1.

    L = -log_t1 p_y - (1 - sum_j p_j^(2 - t1)) / (2 - t1), p_j = exp_t2(z_j - lambda), sum_j p_j = 1;
    log_t x = (x^(1 - t) - 1) / (1 - t), exp_t its inverse

    Args:
        logits: (batch, C), any real values z.
        target: (batch,) int64 class indices, or (batch, C) class probabilities; then the expected loss, which is the
            paper's up to a number that does not depend on the logits.
        t1: within [0, 1]; 1 with t2 = 1 is cross-entropy, less is more bounded.
        t2: within [1, 5]; above 1 the probabilities of far wrong classes fall by a power instead of exponentially.

    Returns:
        (batch,) values >= 0, at most 1 / (1 - t1) for t1 < 1; exact to about 1e-7.

    Raises:
        ValueError: a wrong shape or dtype.

    When to use:
        Labels of which a part is wrong: t1 bounds what a far outlier costs, t2 what one near the boundary costs.

    Pitfalls:
        t2 is steep in the number of classes: at chance it pulls 0.36 with ten and 0.063 with 1,000 (cross-entropy 0.9
        and 0.999), but 0.00014 and 4e-12 for t1 = 0.2 and t2 = 4. Probabilities are flatter: a logit 10 above nine
        others has p = 0.9996 under softmax, 0.963 at t2 = 1.2 and 0.316 at t2 = 2; metrics take the tempered ones.

    Reference:
        Amid et al. 2019, Robust Bi-Tempered Logistic Loss Based on Bregman Divergences, arXiv 1906.03361; formula as in
        the authors' code, equation numbers and the paper's temperatures not checked against it. Their fixed-point
        iterations for lambda are Newton steps here, two of them differentiated, which makes gradients exact.
    """
    log_p = log_tempered_softmax(scores(logits, target), t2)
    divergence = _expm1_ratio(torch.logsumexp((2 - t1) * log_p, -1), 1.0) / (2 - t1)
    return divergence - pick(_expm1_ratio(log_p, 1 - t1), target)


def log_tempered_softmax(logits: Tensor, t: Number) -> Tensor:
    """Give log exp_t(z - lambda), with lambda such that the probabilities add up to 1: (batch, C).

    Args:
        logits: z, (batch, C).
        t: >= 1; 1 is log_softmax.
    """
    if not isinstance(t, Tensor) and t == 1:
        return torch.log_softmax(logits, -1)
    below = logits - logits.detach().amax(-1, keepdim=True)
    fixed, fixed_t = below.detach(), t.detach() if isinstance(t, Tensor) else t
    shift = torch.zeros_like(fixed[..., :1])
    for _ in range(NEWTON_STEPS):
        shift = _newton_step(fixed, shift, fixed_t)
    # each differentiated step doubles the order to which derivatives are those of the limit
    for _ in range(2):
        shift = _newton_step(below, shift, t)
    return _log1p_ratio(below - shift, 1 - t)


def _newton_step(z: Tensor, shift: Tensor, t: Number) -> Tensor:
    """A step towards log_t(sum_j exp_t(z_j - shift)) = 0, which is concave in the shift and linear for equal z."""
    log_p = _log1p_ratio(z - shift, 1 - t)
    log_sum = torch.logsumexp(log_p, -1, keepdim=True)
    log_slope = torch.logsumexp(t * log_p, -1, keepdim=True) - t * log_sum
    return shift + _expm1_ratio(log_sum, 1 - t) * torch.exp(-log_slope)


def _expm1_ratio(u: Tensor, e: Number) -> Tensor:
    """(exp(e u) - 1) / e, and its limit u at e = 0: log_t of x for u = log x and e = 1 - t."""
    return _ratio(torch.expm1, u, e, 0.5)


def _log1p_ratio(u: Tensor, e: Number) -> Tensor:
    """log(1 + e u) / e, and its limit u at e = 0: the logarithm of exp_t(u) for e = 1 - t."""
    return _ratio(torch.log1p, u, e, -0.5)


def _ratio(function: Callable[[Tensor], Tensor], u: Tensor, e: Number, second: float) -> Tensor:
    """function(e u) / e; at e = 0 it is u, with the slope second u^2 that a learned e follows."""
    if not isinstance(e, Tensor):
        return u if e == 0 else function(e * u) / e
    zero = e == 0
    safe = torch.where(zero, 1.0, e).to(u.dtype)  # a second where, as the gradient of 0 / 0 would be nan
    at_zero = torch.where(zero, e, 0.0).to(u.dtype) * second
    return torch.where(zero, u + at_zero * u * u, function(torch.where(zero, 0.0, safe * u)) / safe)


@final
@dataclass(eq=False)
class BiTempered(Loss):
    """See `bi_tempered`."""

    function: ClassVar[Callable[..., Tensor]] = staticmethod(bi_tempered)

    t1: float = 0.8
    t2: float = 1.2

    def logits(self, output: Any) -> Tensor:
        """Give the logarithms of the tempered probabilities: (batch, C)."""
        return log_tempered_softmax(output, self.t2)
