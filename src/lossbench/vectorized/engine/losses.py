"""Losses of many runs at once: each kind of loss works on its slice of one forward pass, its numbers batched."""

from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.func import vmap

from lossbench.metrics.estimates import Estimate, interval, mean

Progress = Tensor | float
"""Steps done / steps of the whole training."""


class _Kind(NamedTuple):
    """Runs first..last - 1, which differ only in the numbers of one loss."""

    first: int
    last: int
    loss: Any
    numbers: dict[str, Tensor]  # (last - first,) each, or (last - first, C) of the classes


def kind(loss: Any) -> tuple[Any, ...]:
    """What two losses must have in common to be computed together: everything but their numbers."""
    rest = {name: _count(loss, name, value) or value for name, value in _settings(loss).items()}
    return (type(loss).__module__, type(loss).__qualname__, repr(sorted(rest.items(), key=lambda item: item[0])))


class StackedLosses:
    """The losses of K runs.

    Args:
        losses: one for each run, those of one `kind` side by side.
        device: where they are computed.
    """

    def __init__(self, losses: Sequence[Any], device: torch.device | None = None) -> None:
        self.kinds: list[_Kind] = []
        first = 0
        for k in range(1, len(losses) + 1):
            if k == len(losses) or not (losses[k] is losses[first] or kind(losses[k]) == kind(losses[first])):
                self.kinds.append(_Kind(first, k, losses[first], _differing(losses[first:k], device)))
                first = k

    def __call__(
        self, output: Any, target: Tensor, weight: Tensor | None = None, *, shared: bool, progress: Progress = 1.0
    ) -> Tensor:
        """Give the loss of each run: (K,).

        Args:
            output: of the stacked model, (K, batch, C), or a tuple of such.
            target: (batch,) where all runs share it, else (K, batch); of several labels (..., C).
            weight: of the examples, (batch,) or (K, batch); None where all count alike.
            shared: whether all runs have the same targets and weights.
            progress: share of the training at which the losses are; 1 is its end, where they are measured.
        """
        given = labels(target, weight)
        return torch.cat([self._map(each, reduced, output, given, shared, progress) for each in self.kinds])

    def terms(
        self, output: Any, target: Tensor, weight: Tensor | None = None, *, shared: bool, progress: Progress = 1.0
    ) -> list[tuple[tuple[int, int], dict[str, Tensor]]]:
        """Give the parts that a loss is the sum of: for each kind its runs, and name -> (runs,) means."""
        given = labels(target, weight)
        return [
            ((each.first, each.last), self._map(each, mean_terms, output, given, shared, progress))
            for each in self.kinds
        ]

    def estimates(self, output: Any, target: Tensor) -> list[tuple[slice, dict[str, Estimate]]]:
        """Give the loss and its terms on a split: for each kind its runs, and name -> estimate."""
        shared = is_shared(target)
        losses = self(output, target, shared=shared)

        def one(each: _Kind) -> tuple[slice, dict[str, Estimate]]:
            def half_width() -> Tensor:
                return interval(self._per_example(each, output, target))

            runs = slice(each.first, each.last)
            terms = self._map(each, lambda loss, z, y: loss.terms(z, y), output, (target,), shared)
            return runs, {"loss": Estimate(losses[runs], half_width)} | {n: mean(term) for n, term in terms.items()}

        return [one(each) for each in self.kinds]

    def per_example(self, output: Any, target: Tensor) -> Tensor:
        """Give the loss of each run on each example: outputs and targets of all runs, or each run's own -> (K, n)."""
        return torch.cat([self._per_example(each, output, target) for each in self.kinds])

    def logits(self, output: Any) -> Tensor:
        """Give what a softmax turns into class probabilities: (K, batch, C)."""
        return torch.cat([self._map(each, lambda loss, z: loss.logits(z), output, (), True) for each in self.kinds])

    def _per_example(self, each: _Kind, output: Any, target: Tensor) -> Tensor:
        return self._map(each, lambda loss, z, y: loss.per_example(z, y), output, (target,), is_shared(target))

    def _map(
        self,
        each: _Kind,
        function: Callable[..., Any],
        output: Any,
        labels: tuple[Tensor, ...],
        shared: bool,
        progress: Progress = 1.0,
    ) -> Any:
        part = slice(each.first, each.last)
        mine = output[part] if isinstance(output, Tensor) else type(output)(*(one[part] for one in output))

        def one(z: Any, numbers: dict[str, Tensor], *given: Tensor) -> Any:
            return function(each.loss.with_numbers(numbers).at(progress), z, *given)

        given = labels if shared else tuple(tensor[part] for tensor in labels)
        return vmap(one, in_dims=(0, 0, *[None if shared else 0] * len(given)))(mine, each.numbers, *given)


def reduced(loss: Any, z: Any, y: Tensor, *w: Tensor) -> Tensor:
    """The loss of one run on a batch, of examples with weights where there are some."""
    return loss.weighted(z, y, *w) if w else loss(z, y)


def mean_terms(loss: Any, z: Any, y: Tensor, *w: Tensor) -> dict[str, Tensor]:
    """The means of the parts that the loss of one run is the sum of."""
    return {name: _mean(term, *w) for name, term in loss.terms(z, y).items()}


def is_shared(target: Tensor) -> bool:
    """Whether targets are those of all runs: class indices (n,), or 0 and 1 for each label, (n, C)."""
    return target.ndim == (2 if target.is_floating_point() else 1)


def labels(target: Tensor, weight: Tensor | None) -> tuple[Tensor, ...]:
    """Targets, and weights where there are some."""
    return (target,) if weight is None else (target, weight)


def _mean(values: Tensor, weight: Tensor | None = None) -> Tensor:
    return values.mean() if weight is None else (values * weight).sum() / weight.sum()


def _differing(losses: Sequence[Any], device: torch.device | None) -> dict[str, Tensor]:
    """Numbers that are the same in all stay what they are, which is faster and rounds like a single run."""
    found: dict[str, Tensor] = {}
    for name, value in _settings(losses[0]).items():
        values = [getattr(loss, name) for loss in losses]
        if _count(losses[0], name, value) and len(set(values)) > 1:
            found[name] = torch.tensor(values, dtype=torch.float64, device=device)
    return found


def _settings(loss: Any) -> dict[str, Any]:
    return {field.name: getattr(loss, field.name) for field in fields(loss)}  # every loss is a dataclass


def _count(loss: Any, name: str, value: object) -> str | None:
    """How many numbers a setting is: "a number", or "C numbers" of the classes; None where it is something else."""
    if name in loss.per_class and isinstance(value, tuple):
        return f"{len(value)} numbers"
    return "a number" if isinstance(value, int | float) and not isinstance(value, bool) else None
