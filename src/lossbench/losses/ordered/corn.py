"""CORN: each rank is learnt from the examples that have passed the ranks below it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, final

from torch import Tensor

from lossbench.losses.ordered.ranks import OfRanks, of_ranks, ranks
from lossbench.losses.outputs import RankOutput

__all__ = ["Corn", "corn"]


def corn(logits: Tensor, target: Tensor) -> Tensor:
    """Binary cross-entropy of the ranks, each given the one below: minus the log-probability of the true class.

    L = -sum_{k <= y} ([y > k] log s_k + [y <= k] log(1 - s_k)) with s_k = sigmoid(logits)_k = P(y > k | y > k - 1),
    k = 0..C - 2

    Args:
        logits: (batch, C - 1), any real values, as lossbench.models.heads.CornHead makes them.
        target: (batch,) int64 class indices, 0..C - 1, in their order.

    Returns:
        (batch,) values >= 0 in nats.

    Raises:
        ValueError: a wrong shape or dtype.

    When to use:
        Classes in order, each of which may differ from the next by features of its own. P(y > k) is a product of
        s_0..s_k, so that the ranks never contradict each other, whatever the weights.

    Pitfalls:
        A high rank is learnt from few examples: of 10 equally large classes the last one from a fifth of them. All
        logits at 0 are no uniform distribution: the lowest class has probability 1/2, the next 1/4.

    Reference:
        Shi, Cao & Raschka 2021, Deep Neural Networks for Rank-Consistent Ordinal Regression Based on Conditional
        Probabilities, arXiv 2111.08851, section 3 (the number of the equation was not checked against the paper). Their
        mean is over all pairs of an example and a rank that it is asked for, this one over examples: it is 1 to C - 1
        times theirs, 1 + (C - 1) / 2 - 1 / C on average for equally large classes, and needs the smaller learning rate.
    """
    z, higher = ranks(logits, target)
    return (of_ranks(z, higher) * (higher >= 0)).sum(-1)


@final
@dataclass(eq=False)
class Corn(OfRanks):
    """See `corn`."""

    function: ClassVar[Callable[..., Tensor]] = staticmethod(corn)

    def logits(self, output: Tensor | RankOutput) -> Tensor:
        """Give the log-probabilities of the classes."""
        return output.logits if isinstance(output, RankOutput) else RankOutput.conditional(output).logits
