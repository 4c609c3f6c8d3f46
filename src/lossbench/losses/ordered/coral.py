"""CORAL: one number decides all ranks, each with a threshold of its own."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, final

from torch import Tensor

from lossbench.losses.ordered.ranks import OfRanks, of_ranks, ranks
from lossbench.losses.outputs import RankOutput

__all__ = ["Coral", "coral"]


def coral(logits: Tensor, target: Tensor) -> Tensor:
    """Binary cross-entropy of the ranks: for each class but the highest, whether the true class is higher.

    L = -sum_k ([y > k] log s_k + [y <= k] log(1 - s_k)) with s = sigmoid(logits), k = 0..C - 2

    Args:
        logits: (batch, C - 1), g + b_k: one number g of the example, and a bias of each rank, as
            lossbench.models.heads.CoralHead makes them.
        target: (batch,) int64 class indices, 0..C - 1, in their order.

    Returns:
        (batch,) values >= 0 in nats, a sum over C - 1 ranks.

    Raises:
        ValueError: a wrong shape or dtype.

    When to use:
        Classes in order that one quantity decides, such as grades of severity: a model with C = 10 classes has one
        vector of weights and 9 thresholds, where cross_entropy has 10 vectors.

    Pitfalls:
        What needs more than one direction cannot be learnt: if the middle classes differ from the others by a feature
        that the outer ones share, use `corn` or `cross_entropy`. The value is a sum: at chance 0.69 (C - 1), 6.2 for
        10 classes where cross_entropy has 2.3. A class between two thresholds that lie closer than others is seldom
        the most probable one.

    Reference:
        Cao, Mirjalili & Raschka 2020, Rank consistent ordinal regression for neural networks, arXiv 1901.07884, section
        3, with equal weights of the ranks (the number of the equation was not checked against the paper). The value of
        the example in the documentation of the authors' coral-pytorch is reproduced.
    """
    return of_ranks(*ranks(logits, target)).sum(-1)


@final
@dataclass(eq=False)
class Coral(OfRanks):
    """See `coral`."""

    function: ClassVar[Callable[..., Tensor]] = staticmethod(coral)

    def logits(self, output: Tensor | RankOutput) -> Tensor:
        """Give the log-probabilities of the classes: differences of neighbouring ranks, which are put in order."""
        return output.logits if isinstance(output, RankOutput) else RankOutput.cumulative(output).logits
