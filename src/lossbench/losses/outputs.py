"""What a model may hand to a loss besides a plain (batch, classes) tensor."""

from typing import NamedTuple, Self

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

LEAST_GAP = 1e-12
"""Between neighbouring thresholds: a class without any room has log-probability -28, not minus infinity."""


class HeadOutput(NamedTuple):
    """An embedding and the logits that a head made of it."""

    embedding: Tensor
    logits: Tensor


class ClassCosines(NamedTuple):
    """Cosines between a model's output and the embeddings of the classes: (batch, C)."""

    cosines: Tensor


class RankOutput(NamedTuple):
    """Logits of the ranks of C classes in order, (batch, C - 1), and the classes' log-probabilities, (batch, C).

    Rank k asks whether the class is higher than k, k = 0..C - 2.
    """

    ranks: Tensor
    logits: Tensor

    @classmethod
    def cumulative(cls, z: Tensor) -> Self:
        """Make it from logits of P(y > k), which are put in falling order for the probabilities.

        p_c = sigmoid(z_{c-1}) - sigmoid(z_c) = sigmoid(z_{c-1}) sigmoid(-z_c) (1 - e^(z_c - z_{c-1}))

        Args:
            z: (..., C - 1), any real values.
        """
        falling = z.sort(-1, descending=True).values
        higher, lower = falling[..., :-1], falling[..., 1:]
        room = torch.log(-torch.expm1(-(higher - lower).clamp_min(LEAST_GAP)))
        inner = logsigmoid(higher) + logsigmoid(-lower) + room
        return cls(z, torch.cat((logsigmoid(-falling[..., :1]), inner, logsigmoid(falling[..., -1:])), -1))

    @classmethod
    def conditional(cls, z: Tensor) -> Self:
        """Make it from logits of P(y > k | y > k - 1).

        p_c = sigmoid(z_0) ... sigmoid(z_{c-1}) sigmoid(-z_c), without the last factor for the highest class

        Args:
            z: (..., C - 1), any real values.
        """
        passed, certain = logsigmoid(z).cumsum(-1), torch.zeros_like(z[..., :1])
        return cls(z, torch.cat((certain, passed), -1) + torch.cat((logsigmoid(-z), certain), -1))
