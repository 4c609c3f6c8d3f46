"""Losses of pairs and triplets: which output ranks first, which belong together.

An example's inputs are stacked in one tensor, and so are the outputs: (batch, 2, D) of a pair, (batch, 3, D) of a
triplet.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor
from torch.nn import functional as F

from lossbench.losses.base import Loss
from lossbench.losses.values import Number, members_of, smallest_norm

__all__ = ["CosineEmbedding", "MarginRanking", "TripletMargin", "cosine_embedding", "margin_ranking", "triplet_margin"]


def margin_ranking(output: Tensor, target: Tensor, *, margin: Number = 0.0) -> Tensor:
    """Hinge on the difference of two scores: zero once the one that should rank first is ahead by the margin.

    L = max(0, margin - y (s_1 - s_2))

    Args:
        output: (batch, 2) scores, or (batch, 2, 1).
        target: (batch,) floats, +1 where the first should rank higher, -1 where the second should.
        margin: >= 0, in the unit of the scores; with 0, as in torch, equal scores cost nothing.

    Returns:
        (batch,) values >= 0 in the unit of the scores.

    Raises:
        ValueError: a wrong shape or dtype.

    When to use:
        Pairs of which it is known which comes first.

    Pitfalls:
        With margin 0 equal scores for everything have loss 0: the ranking is lost, the loss does not show it.

    Reference:
        Herbrich, Graepel & Obermayer 2000; torch.nn.MarginRankingLoss.
    """
    scores, y = members_of(output.unsqueeze(-1) if output.ndim == 2 else output, target, members=2, width=1)
    first, second = scores.squeeze(-1).unbind(1)
    if not isinstance(margin, Tensor):
        return F.margin_ranking_loss(first, second, y, margin=margin, reduction="none")
    return torch.relu(margin - y * (first - second))  # torch takes no tensor as margin


def cosine_embedding(output: Tensor, target: Tensor, *, margin: Number = 0.0) -> Tensor:
    """Brings the embeddings of similar things into one direction and turns those of others away from each other.

    L = 1 - cos for y = +1, max(0, cos - margin) for y = -1, cos the cosine between the two embeddings

    Args:
        output: (batch, 2, D), any real values.
        target: (batch,) floats, +1 for similar, -1 for not.
        margin: within [-1, 1]: how similar others may be; 0 to 0.5 by custom.

    Returns:
        (batch,) values within [0, 2] up to rounding, without unit.

    Raises:
        ValueError: a wrong shape or dtype.

    When to use:
        Pairs that belong together or do not.

    Pitfalls:
        A margin above 0 leaves unrelated pairs alone once their cosine is below it; most of them are at once in many
        dimensions.

    Reference:
        torch.nn.CosineEmbeddingLoss.
    """
    pair, y = members_of(output, target, members=2)
    cos = F.cosine_similarity(*pair.unbind(1), dim=-1, eps=smallest_norm(output))
    return torch.where(y > 0, 1 - cos, torch.relu(cos - margin))


def triplet_margin(output: Tensor, target: Tensor, *, margin: Number = 1.0) -> Tensor:
    """Hinge on two distances: zero once the positive is nearer to the anchor than the negative by the margin.

    L = max(0, ||a - p|| - ||a - n|| + margin)

    Args:
        output: (batch, 3, D): the embeddings of anchor, positive and negative.
        target: (batch,) floats, all +1: not used.
        margin: > 0, in the unit of the embeddings; 1 by custom.

    Returns:
        (batch,) values >= 0 in the unit of the embeddings.

    Raises:
        ValueError: a wrong shape or dtype.

    When to use:
        Anchors with one example that is to be nearer than another.

    Pitfalls:
        Random triplets are soon all satisfied and pull no more: choose hard ones.

    Reference:
        Balntas et al. 2016, Learning local feature descriptors with triplets, eq. 1; torch.nn.TripletMarginLoss.
    """
    anchor, positive, negative = members_of(output, target, members=3)[0].unbind(1)
    if not isinstance(margin, Tensor):
        return F.triplet_margin_loss(anchor, positive, negative, margin=margin, reduction="none")
    return torch.relu(margin + F.pairwise_distance(anchor, positive) - F.pairwise_distance(anchor, negative))


@final
@dataclass(eq=False)
class MarginRanking(Loss):
    """See `margin_ranking`."""

    function: ClassVar[Callable[..., Tensor]] = staticmethod(margin_ranking)
    tasks: ClassVar[tuple[str, ...]] = ("ranking",)

    margin: float = 0.0


@final
@dataclass(eq=False)
class CosineEmbedding(Loss):
    """See `cosine_embedding`."""

    function: ClassVar[Callable[..., Tensor]] = staticmethod(cosine_embedding)
    tasks: ClassVar[tuple[str, ...]] = ("similarity",)

    margin: float = 0.0


@final
@dataclass(eq=False)
class TripletMargin(Loss):
    """See `triplet_margin`."""

    function: ClassVar[Callable[..., Tensor]] = staticmethod(triplet_margin)
    tasks: ClassVar[tuple[str, ...]] = ("triplets",)

    margin: float = 1.0
