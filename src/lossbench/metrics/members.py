"""The outputs for pairs and triplets as their metrics see them."""

from abc import ABC, abstractmethod
from functools import cached_property

from torch import Tensor
from torch.nn import functional as F

from lossbench.metrics.vectors import angles

SIMILAR = 0.5  # the cosine above which two embeddings count as similar: halfway between unrelated and the same


class Members(ABC):
    """What a model gives for the members of pairs or triplets.

    Args:
        output: (K, n, members, D).
        target: (n,), +1 or -1.

    Raises:
        ValueError: a wrong shape, or a target that is neither.
    """

    members = 2

    def __init__(self, output: Tensor, target: Tensor) -> None:
        shape = tuple(output.shape[1:])
        if len(shape) != 3 or shape[1] != self.members or tuple(target.shape) != shape[:1]:
            expected = f"(n, {self.members}, D) and (n,)"
            raise ValueError(f"output and target must have shapes {expected}, got {shape} and {tuple(target.shape)}")
        self.target = target.detach().to(output.device).double()
        if not (self.target.abs() == 1).all():
            raise ValueError(f"target must be +1 or -1, got {self.target[self.target.abs() != 1][0].item():g}")
        self.output = output.detach().double()

    @property
    @abstractmethod
    def right(self) -> Tensor:
        """Whether each example is judged rightly: (K, n) of bool."""


class RankedPairs(Members):
    """Scores of pairs, (K, n, 2) or (K, n, 2, 1); the target is +1 where the first should rank higher, else -1."""

    def __init__(self, output: Tensor, target: Tensor) -> None:
        super().__init__(output.reshape(*output.shape[:2], -1, 1), target)

    @property
    def right(self) -> Tensor:
        """Whether the one that should rank first has the higher score."""
        return (self.output[:, :, 0, 0] - self.output[:, :, 1, 0]) * self.target > 0


class SimilarPairs(Members):
    """Embeddings of pairs, (K, n, 2, D); the target is +1 for similar ones, else -1."""

    @property
    def similar(self) -> Tensor:
        """Which pairs are similar: (n,) of bool."""
        return self.target > 0

    @property
    def right(self) -> Tensor:
        """Whether the cosine is above 0.5 just where the pair is similar."""
        first, second = self.output.unbind(2)
        return (F.cosine_similarity(first, second, dim=-1) > SIMILAR) == self.similar

    @cached_property
    def angles(self) -> Tensor:
        """Angles between the two embeddings, degrees: (K, n)."""
        return angles(*self.output.unbind(2))


class Triplets(Members):
    """Embeddings of anchor, positive and negative, (K, n, 3, D); the target is +1."""

    members = 3

    @property
    def right(self) -> Tensor:
        """Whether the positive is nearer to the anchor than the negative."""
        anchor, positive, negative = self.output.unbind(2)
        return (anchor - positive).norm(dim=-1) < (anchor - negative).norm(dim=-1)
