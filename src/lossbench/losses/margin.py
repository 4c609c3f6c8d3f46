"""Losses on the cosines between features and class vectors that `lossbench.models.heads.CosineHead` learns."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor

from lossbench.losses.base import Loss
from lossbench.losses.bounds import cosine_scores
from lossbench.losses.values import Number, negative, pick, softplus
from lossbench.losses.written import shifted_xent, similarity_xent, written

__all__ = ["ArcFace", "CosFace", "NormalizedSoftmax", "TvMF", "arcface", "cosface", "normalized_softmax", "tvmf"]


def normalized_softmax(cosines: Tensor, target: Tensor, *, temperature: Number = 0.05) -> Tensor:
    """Cross-entropy of cosines divided by a temperature: lengths of features and class vectors do not count.

    L = -log softmax(cos / temperature)_y

    Args:
        cosines: (batch, C) between features and class vectors, within [-1, 1].
        target: (batch,) int64 class indices, or (batch, C) class probabilities.
        temperature: > 0; 0.05 in the paper.

    Returns:
        (batch,) values >= 0 in nats.

    Raises:
        ValueError: a wrong shape or dtype, or logits in place of cosines.

    When to use:
        Features that are to be compared by their angle later, in retrieval.

    Pitfalls:
        With the other cosines at 0, a temperature of 0.05 lets p_y reach 0.9999 with 48,000 classes; at 1 it cannot
        pass 0.0027 with 1,000.

    Reference:
        Zhai & Wu 2019, Classification is a Strong Baseline for Deep Metric Learning, arXiv 1811.12649, section 3.
    """
    return negative(torch.log_softmax(cosine_scores(cosines, target, "normalized_softmax") / temperature, -1), target)


def cosface(cosines: Tensor, target: Tensor, *, margin: Number = 0.35, scale: Number = 64.0) -> Tensor:
    """CosFace: the true class must win by a margin of its cosine.

    L = -log softmax(scale (cos - margin e_y))_y

    Args:
        cosines: (batch, C) between features and class vectors, within [-1, 1].
        target: (batch,) int64 class indices, or (batch, C) class probabilities.
        margin: >= 0; 0.35 in the paper, whose bound is C / (C - 1).
        scale: > 0; 64 in the paper.

    Returns:
        (batch,) values >= 0 in nats.

    Raises:
        ValueError: a wrong shape or dtype, or logits in place of cosines.

    When to use:
        Many classes with few examples each, or features that are compared later, as in face recognition.

    Pitfalls:
        At scale 64 and all cosines 0 the pull on the true cosine is 64.0, with 10 classes as with 1,000: lower the
        learning rate, or the scale with few classes.

    Reference:
        Wang et al. 2018, CosFace: Large Margin Cosine Loss for Deep Face Recognition, arXiv 1801.09414, equation 4.
    """
    return _xent_with_margin(
        cosine_scores(cosines, target, "cosface"), target, scale, margin, lambda cos: (cos - margin, 1.0)
    )


def arcface(cosines: Tensor, target: Tensor, *, margin: Number = 0.5, scale: Number = 64.0) -> Tensor:
    """ArcFace: the true class must win by a margin of its angle.

    L = -log softmax(scale cos(angle + margin e_y))_y; beyond angle + margin = pi the true class's score is cos - margin
    sin(margin), as in the authors' code, so that it keeps falling.

    Args:
        cosines: (batch, C) between features and class vectors, within [-1, 1].
        target: (batch,) int64 class indices, or (batch, C) class probabilities.
        margin: within [0, pi / 2], radians; 0.5 in the paper.
        scale: > 0; 64 in the paper.

    Returns:
        (batch,) values >= 0 in nats.

    Raises:
        ValueError: a wrong shape or dtype, or logits in place of cosines.

    When to use:
        As `cosface`; its margin is the same at every angle.

    Pitfalls:
        As `cosface`. Where angle + margin passes pi (at margin 0.5 a cosine of -0.88) the score jumps from -1 to -1.12,
        as in the authors' code.

    Reference:
        Deng et al. 2019, ArcFace: Additive Angular Margin Loss for Deep Face Recognition, arXiv 1801.07698, equation 3.
    """
    cos_margin, sin_margin = _cos(margin), _sin(margin)

    def shift(cos: Tensor) -> tuple[Tensor, Tensor]:
        squared = 1 - cos * cos
        sin = squared.clamp_min(LEAST).sqrt()
        near, bend = cos > -cos_margin, torch.where(squared > LEAST, cos / sin, 0.0)
        shifted = torch.where(near, cos * cos_margin - sin * sin_margin, cos - margin * sin_margin)
        return shifted, torch.where(near, cos_margin + sin_margin * bend, 1.0)

    return _xent_with_margin(cosine_scores(cosines, target, "arcface"), target, scale, margin, shift)


def tvmf(cosines: Tensor, target: Tensor, *, kappa: Number = 16.0, scale: Number = 16.0) -> Tensor:
    """Cross-entropy of the t-vMF similarity: steep near the class vector, flat far from it.

    L = -log softmax(scale ((1 + cos) / (1 + kappa (1 - cos)) - 1))_y

    Args:
        cosines: (batch, C) between features and class vectors, within [-1, 1].
        target: (batch,) int64 class indices, or (batch, C) class probabilities.
        kappa: > -0.5; 16 in the paper, 0 is the cosine itself.
        scale: > 0; learned in the paper, fixed here. 16 lets p_y reach 0.9999 with up to 900 classes.

    Returns:
        (batch,) values >= 0 in nats.

    Raises:
        ValueError: a wrong shape or dtype, or logits in place of cosines.

    When to use:
        Features of a class that are to lie close together.

    Pitfalls:
        Far from the class vector it is flat: at kappa = 16 the similarity's slope is 0.11 at a cosine of 0 and 33 at 1,
        so what is badly wrong moves slowly.

    Reference:
        Kobayashi 2021, T-vMF Similarity for Regularizing Intra-Class Feature Distribution, CVPR 2021, section 3.
    """
    wide = cosine_scores(cosines, target, "tvmf")

    def composed(cos: Tensor, y: Tensor) -> Tensor:
        return negative(torch.log_softmax(_similarity(cos, kappa, scale), -1), y)

    if target.is_floating_point() or isinstance(kappa, Tensor) or isinstance(scale, Tensor) or kappa < 1:
        return composed(wide, target)
    return written(wide, target, similarity_xent(kappa, scale, composed))[0]


LEAST = 1e-12
"""Least squared sine: its root has a finite slope."""


def _cos(angle: Number) -> Number:
    return torch.cos(angle) if isinstance(angle, Tensor) else math.cos(angle)


def _sin(angle: Number) -> Number:
    return torch.sin(angle) if isinstance(angle, Tensor) else math.sin(angle)


def _similarity(cos: Tensor, kappa: Number, scale: Number) -> Tensor:
    return ((1 + cos) / (1 + kappa * (1 - cos)) - 1) * scale


def _xent_with_margin(
    cos: Tensor, target: Tensor, scale: Number, margin: Number, shift: Callable[[Tensor], tuple[Tensor, Tensor | float]]
) -> Tensor:
    """Cross-entropy of scaled cosines, the true class's one shifted; `shift` also gives its derivative."""
    if target.is_floating_point():
        return pick(softplus(others(cos * scale) - shift(cos)[0] * scale), target)

    def composed(cos: Tensor, y: Tensor) -> Tensor:
        scaled, index = cos * scale, y.unsqueeze(-1)
        own = shift(cos.gather(-1, index))[0] * scale
        return negative(torch.log_softmax(scaled.scatter(-1, index, own.to(scaled.dtype)), -1), y)

    if isinstance(scale, Tensor) or isinstance(margin, Tensor):
        return composed(cos, target)
    return written(cos, target, shifted_xent(scale, shift, composed))[0]


def others(z: Tensor) -> Tensor:
    """For each class the log-sum-exp over the other classes: (batch, C) -> (batch, C)."""
    whole = torch.logsumexp(z, -1, keepdim=True)
    first = z.argmax(-1, keepdim=True)
    p = (z - whole).exp().scatter(-1, first, 0.0)  # 1 - p is exact for all but the first: p <= 1 / 2
    without_first = torch.logsumexp(z.scatter(-1, first, -torch.inf), -1, keepdim=True)
    return (whole + torch.log1p(-p)).scatter(-1, first, without_first)


@final
@dataclass(eq=False)
class NormalizedSoftmax(Loss):
    """See `normalized_softmax`."""

    function: ClassVar[Callable[..., Tensor]] = staticmethod(normalized_softmax)
    takes_cosines: ClassVar[bool] = True

    temperature: float = 0.05

    def logits(self, output: Tensor) -> Tensor:
        """Give the cosines divided by the temperature."""
        return output / self.temperature


@final
@dataclass(eq=False)
class CosFace(Loss):
    """See `cosface`."""

    function: ClassVar[Callable[..., Tensor]] = staticmethod(cosface)
    takes_cosines: ClassVar[bool] = True

    margin: float = 0.35
    scale: float = 64.0

    def logits(self, output: Tensor) -> Tensor:
        """Give the scaled cosines, without the margin."""
        return output * self.scale


@final
@dataclass(eq=False)
class ArcFace(Loss):
    """See `arcface`."""

    function: ClassVar[Callable[..., Tensor]] = staticmethod(arcface)
    takes_cosines: ClassVar[bool] = True

    margin: float = 0.5
    scale: float = 64.0

    def logits(self, output: Tensor) -> Tensor:
        """Give the scaled cosines, without the margin."""
        return output * self.scale


@final
@dataclass(eq=False)
class TvMF(Loss):
    """See `tvmf`."""

    function: ClassVar[Callable[..., Tensor]] = staticmethod(tvmf)
    takes_cosines: ClassVar[bool] = True

    kappa: float = 16.0
    scale: float = 16.0

    def logits(self, output: Tensor) -> Tensor:
        """Give the scaled similarities."""
        return _similarity(output, self.kappa, self.scale)

    def scale_prior(self, classes: int) -> tuple[float, float]:
        """Give a wide prior: how far similarities lie apart depends on kappa and on the training."""
        return 1.0, 1.0
