"""Losses of many runs at once: each kind of loss works on its slice of one forward pass, its numbers batched."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.func import vmap

from lossbench.metrics.estimates import Estimate


class _Kind(NamedTuple):
    """Runs first..last - 1, which differ only in the numbers of one loss."""

    first: int
    last: int
    loss: nn.Module
    numbers: dict[str, Tensor]  # (last - first,) each


def kind(loss: nn.Module) -> tuple[Any, ...]:
    """What two losses must have in common to be computed together: everything but their numbers."""
    rest = {name: value for name, value in _settings(loss).items() if not _is_number(value)}
    return (type(loss).__module__, type(loss).__qualname__, repr(sorted(rest.items(), key=lambda item: item[0])))


class StackedLosses:
    """The losses of K runs.

    Args:
        losses: one for each run, those of one `kind` side by side.
    """

    def __init__(self, losses: Sequence[nn.Module]) -> None:
        self.kinds: list[_Kind] = []
        first = 0
        for k in range(1, len(losses) + 1):
            if k == len(losses) or kind(losses[k]) != kind(losses[first]):
                self.kinds.append(_Kind(first, k, losses[first], _differing(losses[first:k])))
                first = k

    def __call__(self, output: Any, target: Tensor, shared: bool) -> Tensor:
        """Give the loss of each run: (K,).

        Args:
            output: of the stacked model, (K, batch, C), or a tuple of such.
            target: (batch,) where all runs share it, else (K, batch).
            shared: whether they do.
        """
        return torch.cat(
            [self._map(each, lambda loss, z, y: loss(z, y), output, target, shared) for each in self.kinds]
        )

    def terms(self, output: Any, target: Tensor, shared: bool) -> list[tuple[tuple[int, int], dict[str, Tensor]]]:
        """Give the parts that a loss is the sum of: for each kind its runs, and name -> (runs,) means."""

        def means(loss: Any, z: Any, y: Tensor) -> dict[str, Tensor]:
            return {name: term.mean() for name, term in loss.terms(z, y).items()}

        return [((each.first, each.last), self._map(each, means, output, target, shared)) for each in self.kinds]

    def estimates(self, output: Any, target: Tensor) -> list[tuple[slice, dict[str, Estimate]]]:
        """Give the loss and its terms on examples that all runs share: for each kind its runs, and name -> estimate."""
        losses = self(output, target, True)
        return [
            (slice(*runs), {"loss": Estimate(losses[slice(*runs)]), **{n: Estimate(term) for n, term in terms.items()}})
            for runs, terms in self.terms(output, target, True)
        ]

    def per_example(self, loss: Any, output: Tensor, target: Tensor) -> Tensor:
        """Give the values of one loss on the outputs of all runs: (K, n, C) -> (K, n)."""
        return vmap(lambda z: loss.per_example(z, target))(output)

    def logits(self, output: Any) -> Tensor:
        """Give what a softmax turns into class probabilities: (K, batch, C)."""
        nothing = torch.zeros(0)
        return torch.cat(
            [self._map(each, lambda loss, z, _: loss.logits(z), output, nothing, True) for each in self.kinds]
        )

    def _map(
        self, each: _Kind, function: Callable[[Any, Any, Tensor], Any], output: Any, target: Tensor, shared: bool
    ) -> Any:
        part = slice(each.first, each.last)
        mine = output[part] if isinstance(output, Tensor) else type(output)(*(one[part] for one in output))

        def one(z: Any, y: Tensor, numbers: dict[str, Tensor]) -> Any:
            loss = copy.copy(each.loss)
            loss.__dict__.update(numbers)
            return function(loss, z, y)

        return vmap(one, in_dims=(0, None if shared else 0, 0))(mine, target if shared else target[part], each.numbers)


def _differing(losses: Sequence[nn.Module]) -> dict[str, Tensor]:
    """Numbers that are the same in all stay what they are, which is faster and rounds like a single run."""
    columns = {
        name: [getattr(loss, name) for loss in losses]
        for name, value in _settings(losses[0]).items()
        if _is_number(value)
    }
    return {name: torch.tensor(values, dtype=torch.float64) for name, values in columns.items() if len(set(values)) > 1}


def _settings(loss: nn.Module) -> dict[str, Any]:
    return {field.name: getattr(loss, field.name) for field in fields(loss)}  # pyright: ignore[reportArgumentType] - every loss is a dataclass


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
