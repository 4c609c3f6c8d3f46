"""Losses on the angle between a network's output and the axis of the true class."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor

from lossbench.losses.base import Loss
from lossbench.losses.bounds import EMBEDDINGS, cosine_scores
from lossbench.losses.fused import fused_cosine_distance, fused_cosine_xent, inverse_norm
from lossbench.losses.outputs import ClassCosines, HeadOutput
from lossbench.losses.scales import cosine_scale
from lossbench.losses.values import Number, negative, pick, scores

__all__ = ["Cosine", "CosineXent", "CosineXentHead", "cosine", "cosine_xent", "cosine_xent_head"]


def cosine(logits: Tensor | ClassCosines, target: Tensor) -> Tensor:
    """Cosine distance between the output and the true class's axis or embedding: only the direction counts.

    L = 1 - z_y / ||z||, and with class embeddings 1 - cos(z, embedding_y)

    Args:
        logits: (batch, C), any real values; 1e-6 (float16: 1e-3) is added to the norm in quadrature. With class
            embeddings the cosines that lossbench.models.heads.ClassEmbeddings makes.
        target: (batch,) int64 class indices, or (batch, C) class probabilities.

    Returns:
        (batch,) values within [0, 2]: one minus a cosine.

    Raises:
        ValueError: a wrong shape or dtype.

    When to use:
        Few images for each class and no pretrained weights, with a learning rate of its own.

    Pitfalls:
        The gradient shrinks as 1 / ||z||: the best learning rate was 0.5 to 50 times cross-entropy's on the published
        sets. The outputs are no logits: a raw softmax of them means nothing, so calibrate (nll_scaled, ece_scaled).

    Reference:
        Barz & Denzler 2020, Deep Learning on Small Datasets without Pre-Training using Cosine Loss, arXiv 1901.09054,
        section 3. Class embeddings: Barz & Denzler 2019, arXiv 1809.09924, section 3.
    """
    if isinstance(logits, ClassCosines):
        return 1 - pick(cosine_scores(logits.cosines, target, "cosine", EMBEDDINGS), target)
    wide = scores(logits, target)
    if not target.is_floating_point():
        return fused_cosine_distance(wide, target, _floor(logits))
    return 1 - inverse_norm(wide, _floor(logits)).squeeze(-1) * pick(wide, target)


def cosine_xent(
    logits: Tensor | ClassCosines, target: Tensor, *, xent_weight: Number = 0.1, scale: Number = 1.0
) -> Tensor:
    """Cosine distance plus a little cross-entropy of the normalised output.

    L = 1 - z_y / ||z|| + xent_weight CE(scale z / ||z||, y), with class embeddings their cosines in place of z / ||z||

    Args:
        logits: (batch, C), any real values; 1e-6 (float16: 1e-3) is added to the norm in quadrature. With class
            embeddings the cosines that lossbench.models.heads.ClassEmbeddings makes.
        target: (batch,) int64 class indices, or (batch, C) class probabilities.
        xent_weight: >= 0; 0.1 in the paper.
        scale: > 0; 1 in the paper, where the cross-entropy cannot fall below 5.909 at C = 1000. 11.5 lets p_y reach
            0.99 there.

    Returns:
        (batch,) values >= 0: one minus a cosine, plus weighted nats.

    Raises:
        ValueError: a wrong shape or dtype.

    When to use:
        Few images for each class and no pretrained weights: published 34.0 % against 26.4 % with cross-entropy on 50
        ImageNet images for each class (single runs). With both tuned, on another such subset, cross-entropy was as good
        (45.0 %, this loss 44.4 %).

    Pitfalls:
        At scale 1 the cross-entropy cannot fall below 5.909 with 1,000 classes, and its gradient is 99.95 % aligned
        with the cosine's: it is a 10 % larger step. Raise scale. As with `cosine`, tune the learning rate and
        calibrate.

    Reference:
        Barz & Denzler 2020, arXiv 1901.09054, section 3; without their second head, which `cosine_xent_head` has.
    """
    terms = _cosine_xent_terms(logits, target, xent_weight, scale)
    return terms["cosine"] + terms["xent"]


def cosine_xent_head(output: HeadOutput, target: Tensor, *, xent_weight: Number = 0.1) -> Tensor:
    """Cosine distance on the embedding plus a little cross-entropy on the head that predicts.

    L = 1 - x_y / ||x|| + xent_weight CE(logits, y)

    Args:
        output: embedding x and logits, both (batch, C); lossbench.models.heads.CosineXentHead makes them.
        target: (batch,) int64 class indices, or (batch, C) class probabilities.
        xent_weight: >= 0; 0.1 in the paper.

    Returns:
        (batch,) values >= 0: one minus a cosine, plus weighted nats.

    Raises:
        ValueError: a wrong shape or dtype.

    When to use:
        The paper's own form of `cosine_xent`, where the cross-entropy has a head of its own that also predicts.

    Pitfalls:
        The head has C^2 weights, a million with 1,000 classes. The embedding's gradient shrinks as 1 / ||x||: tune the
        learning rate.

    Reference:
        Barz & Denzler 2020, arXiv 1901.09054, section 3.
    """
    terms = _head_terms(output, target, xent_weight)
    return terms["cosine"] + terms["xent"]


def _floor(logits: Tensor) -> float:
    """Floor of the norm: it keeps the gradient at 0 finite in the logits' dtype."""
    return 1e-3 if logits.dtype == torch.float16 else 1e-6


def _unit(logits: Tensor | ClassCosines) -> Tensor:
    if isinstance(logits, ClassCosines):
        return logits.cosines
    wide = logits.to(torch.promote_types(logits.dtype, torch.float32))
    return wide * inverse_norm(wide, _floor(logits))


def _cosine_xent_terms(
    logits: Tensor | ClassCosines, target: Tensor, xent_weight: Number, scale: Number
) -> dict[str, Tensor]:
    if isinstance(logits, ClassCosines):
        cos = cosine_scores(logits.cosines, target, "cosine_xent", EMBEDDINGS)
        return {
            "cosine": 1 - pick(cos, target),
            "xent": xent_weight * negative(torch.log_softmax(cos * scale, -1), target),
        }
    wide = scores(logits, target)
    if not (target.is_floating_point() or isinstance(scale, Tensor) or isinstance(xent_weight, Tensor)):
        distance, xent = fused_cosine_xent(wide, target, xent_weight, scale, _floor(logits))
        return {"cosine": distance, "xent": xent}
    scaled = wide * (inverse_norm(wide, _floor(logits)) * scale)
    return {
        "cosine": 1 - pick(scaled, target) / scale,
        "xent": xent_weight * negative(torch.log_softmax(scaled, -1), target),
    }


def _head_terms(output: HeadOutput, target: Tensor, xent_weight: Number) -> dict[str, Tensor]:
    log_p = torch.log_softmax(scores(output.logits, target), -1)
    return {"cosine": cosine(output.embedding, target), "xent": xent_weight * negative(log_p, target)}


@final
@dataclass(eq=False)
class Cosine(Loss):
    """See `cosine`."""

    function: ClassVar[Callable[..., Tensor]] = staticmethod(cosine)

    def logits(self, output: Tensor | ClassCosines) -> Tensor:
        """Give the cosines: a softmax of them is a probability once their scale has been fitted."""
        return _unit(output)

    def scale_prior(self, classes: int) -> tuple[float, float]:
        """Give AdaCos' fixed scale of cosines, known to a factor of about 3."""
        return cosine_scale(classes), 1.0


@final
@dataclass(eq=False)
class CosineXent(Loss):
    """See `cosine_xent`."""

    function: ClassVar[Callable[..., Tensor]] = staticmethod(cosine_xent)

    xent_weight: float = 0.1
    scale: float = 1.0

    def terms(self, output: Tensor | ClassCosines, target: Tensor) -> dict[str, Tensor]:
        """Give the cosine distance and the weighted cross-entropy, each (batch,)."""
        return _cosine_xent_terms(output, target, **self.hyper_parameters())

    def logits(self, output: Tensor | ClassCosines) -> Tensor:
        """Give the scaled cosines that the cross-entropy sees."""
        return _unit(output) * self.scale

    def scale_prior(self, classes: int) -> tuple[float, float]:
        """Give what AdaCos' fixed scale of cosines adds to the loss's own, known to a factor of about 3."""
        return max(1.0, cosine_scale(classes) / float(self.scale)), 1.0


@final
@dataclass(eq=False)
class CosineXentHead(Loss):
    """See `cosine_xent_head`."""

    function: ClassVar[Callable[..., Tensor]] = staticmethod(cosine_xent_head)

    xent_weight: float = 0.1

    def terms(self, output: HeadOutput, target: Tensor) -> dict[str, Tensor]:
        """Give the cosine distance and the weighted cross-entropy, each (batch,)."""
        return _head_terms(output, target, **self.hyper_parameters())

    def logits(self, output: HeadOutput) -> Tensor:
        """Give the predicting head's logits."""
        return output.logits
