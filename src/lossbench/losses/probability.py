"""Losses that are functions of the true class's probability p_y = softmax(logits)_y alone."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor

from lossbench.losses.base import Loss
from lossbench.losses.values import Number, expected, scores

__all__ = [
    "CosineProb",
    "DotProduct",
    "Inverse",
    "InverseTuned",
    "Power",
    "cosine_prob",
    "dot_product",
    "inverse",
    "inverse_tuned",
    "power",
]

EXPONENT_LIMIT = 60.0
"""Beyond it an exponential continues as its tangent, so that no loss and no gradient overflows float32."""


def cosine_prob(logits: Tensor, target: Tensor, *, alpha: Number = 0.9, beta: Number = 1.0) -> Tensor:
    """Cosine of the true class's probability: bounded, and flat where the model is badly wrong.

    L = cos(pi/2 alpha p_y + beta) - cos(pi/2 alpha + beta)

    Args:
        logits: (batch, C), any real values.
        target: (batch,) int64 class indices, or (batch, C) class probabilities.
        alpha: within (0, 2]; 0.9 as published.
        beta: within [0, pi (1 - alpha / 2)]; 1.0 as published. Outside, the minimum lies inside (0, 1) and is negative.

    Returns:
        (batch,) values within [0, 2], without unit; 0 at p_y = 1.

    Raises:
        ValueError: a wrong shape or dtype. `CosineProb` also refuses an alpha and beta outside their region.

    When to use:
        Labels that may be wrong: examples at p_y near 0 pull little, however many there are. Few classes, or weights
        trained on such data.

    Pitfalls:
        At chance with 1,000 classes it pulls 840 times less than cross-entropy (0.0012 against 0.999), so that training
        from scratch hardly starts. On the toy problem it is ahead under Adam, behind under plain SGD. Outside its
        region the loss has its minimum inside (0, 1): alpha = 2, beta = 1 has -0.460 at p_y = 0.682.

    Reference:
        The "probability cosine" loss. For bounded functions of p_y in general: Zhang & Sabuncu 2018, arXiv 1805.07836.
    """
    slope = math.pi / 2 * alpha

    def of_log_p(log_p: Tensor) -> Tensor:
        # cos a - cos b as a product: exact near p = 1, and never negative where alpha and beta are allowed
        half = -torch.expm1(log_p) * (slope / 2)
        return 2 * torch.sin(half + (math.pi - slope - beta)) * torch.sin(half)

    return expected(of_log_p, torch.log_softmax(scores(logits, target), -1), target)


def power(logits: Tensor, target: Tensor, *, q: Number = 0.7) -> Tensor:
    """Power family (generalised cross-entropy): from cross-entropy (q = 0) to 1 - p (q = 1), for wrong labels.

    L = (1 - p_y^q) / q, and -log p_y at q = 0; p_y^q beyond e^60 continues linearly.

    Args:
        logits: (batch, C), any real values.
        target: (batch,) int64 class indices, or (batch, C) class probabilities.
        q: any finite number; 0.7 in the paper, which takes (0, 1]. Below 0 hard examples weigh more than in
            cross-entropy.

    Returns:
        (batch,) values >= 0; nats at q = 0, at most 1 / q for q > 0.

    Raises:
        ValueError: a wrong shape or dtype.

    When to use:
        Labels that may be wrong: the larger q, the less a hopeless example pulls. To ask how much robustness the data
        want, sweep q from -0.2 to 1.

    Pitfalls:
        The pull on the true class's logit is p_y^q (1 - p_y): at chance with 1,000 classes 0.0079 for q = 0.7 and
        0.0010 for q = 1, where cross-entropy has 0.999. Below q = 0 gradients leave float16's range: use bf16-mixed.

    Reference:
        Zhang & Sabuncu 2018, Generalized Cross Entropy Loss, arXiv 1805.07836, section 3.2.
    """
    log_p = torch.log_softmax(scores(logits, target), -1)
    if not isinstance(q, Tensor):
        expm1 = torch.expm1 if q > 0 else _capped_expm1  # log_p <= 0: only a negative q can overflow
        return expected(lambda v: -v if q == 0 else expm1(q * v) / -q, log_p, target)
    zero = q == 0
    safe = torch.where(zero, 1.0, q).to(log_p.dtype)  # a second where, as the gradient of 0 / 0 would be nan
    # at q = 0 the second term is 0, but its slope, which a learned q follows, is not
    at_zero = torch.where(zero, q, 0.0).to(log_p.dtype) / 2
    return expected(lambda v: torch.where(zero, -v - at_zero * v * v, -_capped_expm1(safe * v) / safe), log_p, target)


def dot_product(logits: Tensor, target: Tensor) -> Tensor:
    """Minus the true class's probability: the dot product of softmax and one-hot target.

    L = -p_y

    Args:
        logits: (batch, C), any real values.
        target: (batch,) int64 class indices, or (batch, C) class probabilities.

    Returns:
        (batch,) values within [-1, 0]: a fraction with its sign changed.

    Raises:
        ValueError: a wrong shape or dtype.

    When to use:
        The far end of the power family: to see how training ends when hard examples hardly count.

    Pitfalls:
        At chance with 1,000 classes the pull is 0.0010, that of cross-entropy 0.999. Published on 37 pet breeds: 14.5 %
        of the validation images wrong, 9.2 % with cross-entropy (one run each).

    Reference:
        `power` at q = 1, less 1; Zhang & Sabuncu 2018, arXiv 1805.07836 (half of MAE, less 1).
    """
    return expected(lambda log_p: -log_p.exp(), torch.log_softmax(scores(logits, target), -1), target)


def inverse(logits: Tensor, target: Tensor) -> Tensor:
    """One over the true class's probability: dominated by the worst examples.

    L = 1 / p_y; beyond e^60 it continues linearly in -log p_y.

    Args:
        logits: (batch, C), any real values.
        target: (batch,) int64 class indices, or (batch, C) class probabilities.

    Returns:
        (batch,) values >= 1, without unit.

    Raises:
        ValueError: a wrong shape or dtype.

    When to use:
        Hardly ever: it is the other far end of the power family. `inverse_tuned` keeps what is useful of it.

    Pitfalls:
        One wrong label dominates its batch: at chance with 1,000 classes the pull is 999, that of cross-entropy 0.999.
        In float16 the gradient overflows from a logit gap of 11.1 on. Written through softmax, float32 overflows from a
        gap of 44.4 on; this form is finite up to 10,000. Published on 37 pet breeds: 25.9 % of the validation images
        wrong, 9.2 % with cross-entropy (one run each).

    Reference:
        `power` at q = -1, plus 1.
    """
    return inverse_tuned(logits, target, exponent=1.0)


def inverse_tuned(logits: Tensor, target: Tensor, *, exponent: Number = 0.2) -> Tensor:
    """A small negative power of the true class's probability: close to cross-entropy, harder on the worst examples.

    L = p_y^-exponent; beyond e^60 it continues linearly in -log p_y.

    Args:
        logits: (batch, C), any real values.
        target: (batch,) int64 class indices, or (batch, C) class probabilities.
        exponent: > 0; 0.2 as published.

    Returns:
        (batch,) values >= 1, without unit.

    Raises:
        ValueError: a wrong shape or dtype.

    When to use:
        Clean labels, and rare or hard examples that should count more than in cross-entropy.

    Pitfalls:
        Published on 37 pet breeds it had 9.13 % of the validation images wrong, cross-entropy 9.20 %: one image of
        1,478. In float16 the gradient overflows from a logit gap of 63.5 on at exponent 0.2: use bf16-mixed.

    Reference:
        `power` at q = -exponent, times exponent, plus 1.
    """
    return expected(
        lambda log_p: 1 + _capped_expm1(-exponent * log_p), torch.log_softmax(scores(logits, target), -1), target
    )


def _capped_expm1(u: Tensor) -> Tensor:
    # torch.where, as clamp_max and relu both have gradient 0 at the limit itself
    capped = torch.where(u > EXPONENT_LIMIT, EXPONENT_LIMIT, u)
    return torch.expm1(capped) + math.exp(EXPONENT_LIMIT) * torch.relu(u - EXPONENT_LIMIT)


@final
@dataclass(eq=False)
class CosineProb(Loss):
    """See `cosine_prob`."""

    function: ClassVar[Callable[..., Tensor]] = staticmethod(cosine_prob)

    alpha: float = 0.9
    beta: float = 1.0


@final
@dataclass(eq=False)
class Power(Loss):
    """See `power`."""

    function: ClassVar[Callable[..., Tensor]] = staticmethod(power)

    q: float = 0.7

    @property
    def exceeds_fp16(self) -> bool:
        """Whether the gradient with respect to the logits, p_y^q (1 - p_y), can exceed float16's range."""
        return self.q < 0


@final
@dataclass(eq=False)
class DotProduct(Loss):
    """See `dot_product`."""

    function: ClassVar[Callable[..., Tensor]] = staticmethod(dot_product)


@final
@dataclass(eq=False)
class Inverse(Loss):
    """See `inverse`."""

    function: ClassVar[Callable[..., Tensor]] = staticmethod(inverse)

    @property
    def exceeds_fp16(self) -> bool:
        """Whether the gradient with respect to the logits can exceed float16's range: once p_y < 1 / 65504."""
        return True


@final
@dataclass(eq=False)
class InverseTuned(Loss):
    """See `inverse_tuned`."""

    function: ClassVar[Callable[..., Tensor]] = staticmethod(inverse_tuned)

    exponent: float = 0.2

    @property
    def exceeds_fp16(self) -> bool:
        """Whether the gradient can exceed float16's range: from a logit gap of 63 at exponent 0.2."""
        return True
