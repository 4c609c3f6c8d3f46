"""The outputs of classifiers as their metrics see them: what several of them need is computed once."""

from collections.abc import Iterator
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

# Logits worked on at a time: 2-3 times faster than whole tensors at 50,000 x 1,000, without large temporaries.
CHUNK = 2**20


class Probabilities(NamedTuple):
    """What the probabilities say about each example: (K, n) each."""

    nll: Tensor
    brier: Tensor
    true_class: Tensor
    confidence: Tensor


class Classes:
    """Logits of K runs on one split.

    Args:
        logits: (K, n, C), n >= 1, C >= 2, any real numbers; a run with a NaN or an infinity has NaN for every metric.
        target: (n,) int64, 0..C-1, of all runs, or (K, n), each run's own.
        scale: > 0, an inverse temperature from `fit_scale` on another split, one for all runs or (K,); None is without
            `scaled`.
        train_counts: training examples of each class, (C,) of all runs or (K, C); None where their frequencies do not
            matter.

    Raises:
        ValueError: on wrong shapes, a target outside 0..C-1, or a scale that is not > 0.
    """

    def __init__(
        self,
        logits: Tensor,
        target: Tensor,
        scale: Tensor | float | None = None,
        train_counts: Tensor | None = None,
    ) -> None:
        check(logits, target)
        self.target = target.detach().to(logits.device).long()
        self.logits = logits.detach() if logits.dtype == torch.float64 else logits.detach().float()
        self.scale = None if scale is None else _checked_scale(scale, self.logits)
        """(1, 1, 1) or (K, 1, 1)."""
        self.n, self.classes = self.logits.shape[1:]
        self.train_counts: Tensor | None = None
        """(1, C) or (K, C)."""
        if train_counts is not None:
            self.train_counts = train_counts.reshape(-1, self.classes).to(logits.device)
        self.known = finite(self.logits)
        if not self.known.all():
            self.logits = self.logits.masked_fill(~self.known[:, None, None], 0.0)

    @cached_property
    def rank(self) -> Tensor:
        """How many classes are placed before the true one, (K, n)."""
        return torch.cat([_rank(*chunk) for chunk in self._chunks()], dim=1)

    @cached_property
    def correct(self) -> Tensor:
        """Whether the true class is placed first, (K, n) of bool."""
        return self.rank == 0

    @cached_property
    def predicted(self) -> Tensor:
        """The class placed first, (K, n)."""
        return self.logits.argmax(-1)

    @cached_property
    def hits(self) -> Tensor:
        """How many examples of each class are right, (K, C) float64."""
        return self.count(self.targets, self.correct.double())

    @cached_property
    def targets(self) -> Tensor:
        """The targets of each run, (K, n)."""
        return self.target.expand(len(self.logits), -1)

    @cached_property
    def support(self) -> Tensor:
        """How many examples of each class there are: (K, C), or (1, C) where all runs have the same ones."""
        if self.target.ndim == 1:
            return self.target.bincount(minlength=self.classes)[None]
        return self.count(self.target).long()

    @cached_property
    def raw(self) -> Probabilities:
        """The probabilities softmax(logits)."""
        return self._probabilities(None)

    @cached_property
    def scaled(self) -> Probabilities | None:
        """The probabilities softmax(scale * logits)."""
        return None if self.scale is None else self._probabilities(self.scale)

    def count(self, classes: Tensor, weights: Tensor | None = None) -> Tensor:
        """How often each class is among (K, n) class indices, by weight, 1 by default: (K, C) float64."""
        if weights is None:
            weights = torch.ones_like(classes, dtype=torch.float64)
        counts = weights.new_zeros(len(classes), self.classes)
        return counts.scatter_add_(1, classes, weights)

    def _probabilities(self, scale: Tensor | None) -> Probabilities:
        parts = [_probabilities(z if scale is None else z * scale, y) for z, y in self._chunks()]
        return Probabilities(*(torch.cat(column, dim=1) for column in zip(*parts, strict=True)))

    def _chunks(self) -> Iterator[tuple[Tensor, Tensor]]:
        return chunks(self.logits, self.target)


def check(logits: Tensor, target: Tensor) -> None:
    """Raise ValueError unless (K, n, C) logits and targets, (n,) or (K, n), fit together."""
    runs, *rest = logits.shape
    shape = tuple(rest)
    if len(shape) != 2 or shape[0] == 0 or shape[1] < 2:
        raise ValueError(f"logits must have shape (n, C) with n >= 1 and C >= 2, got {shape}")
    if tuple(target.shape) not in (shape[:1], (runs, shape[0])):
        raise ValueError(f"target must have shape ({shape[0]},), got {tuple(target.shape)}")
    low, high = (int(end) for end in target.aminmax())
    if low < 0 or high >= shape[1]:
        raise ValueError(f"target must be within 0..{shape[1] - 1}, got {low}..{high}")


def _checked_scale(scale: Tensor | float, logits: Tensor) -> Tensor:
    """The scale as a factor on the logits: (1, 1, 1) or (K, 1, 1)."""
    given = torch.as_tensor(scale, dtype=torch.float64)
    if not bool(((given > 0) & (given < torch.inf)).all()):
        raise ValueError(f"scale must be > 0, got {scale}")
    return given.reshape(-1, 1, 1).to(logits)


def finite(logits: Tensor) -> Tensor:
    """Whether all numbers of each run are finite: (K, ...) -> (K,)."""
    flat = logits.flatten(1)
    low, high = flat.aminmax(dim=1)  # passes NaN on, and needs no mask of n * C
    return low.isfinite() & high.isfinite()


def chunks(logits: Tensor, target: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Neighbouring examples of (K, n, C) logits and (n,) or (K, n) targets, of CHUNK logits each."""
    examples = max(1, CHUNK // (len(logits) * logits.shape[2]))
    return zip(logits.split(examples, dim=1), target.split(examples, dim=-1), strict=True)


def index_of(logits: Tensor, target: Tensor) -> Tensor:
    """Where the logit of the true class is: (K, n, C) logits and (n,) or (K, n) targets -> (K, n, 1)."""
    return target.expand(len(logits), -1)[..., None]


def _rank(logits: Tensor, target: Tensor) -> Tensor:
    """Count the classes placed before the true one, (K, n); torch.topk would order equal logits as it likes."""
    index = index_of(logits, target)
    own = logits.gather(-1, index)
    lower = torch.arange(logits.shape[-1], device=logits.device) < target[..., None]
    return ((logits > own) | ((logits == own) & lower)).count_nonzero(dim=-1)


def _probabilities(logits: Tensor, target: Tensor) -> Probabilities:
    index = index_of(logits, target)
    log_p = logits.log_softmax(-1)
    p = log_p.exp()
    confidence, true_class = p.amax(-1), p.gather(-1, index).squeeze(-1)
    wrong = p.scatter_(-1, index, 0.0).square_().sum(-1)
    nll = -log_p.gather(-1, index).squeeze(-1)
    return Probabilities(nll, wrong + (1 - true_class).square(), true_class, confidence)
