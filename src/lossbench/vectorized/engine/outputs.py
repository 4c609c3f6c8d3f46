"""What the models of a stack give for a split."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from lossbench.vectorized.engine.examples import Examples
from lossbench.vectorized.engine.stack import Stack

EVALUATED_AT_ONCE = 256  # examples, as a single run evaluates them
FEW = 2**22  # numbers; to gather so many for all runs takes less time than a forward pass for each replicate


def outputs_of(stack: Stack, examples: Examples, weights: Mapping[str, Tensor] | None = None) -> Any:
    """The outputs of all models of a stack on a split.

    Args:
        stack: K runs.
        examples: the split, as each of them sees it.
        weights: parameters and buffers, stacked; None are those of now, averaged.

    Returns:
        (K, n, C), or a tuple of such; of a run with fewer than n examples the last ones are repeats.
    """
    given = stack.evaluated if weights is None else weights
    if examples.index is None:
        return _joined(stack.evaluate(block, given) for block in examples.blocks(EVALUATED_AT_ONCE))
    if len(stack) * len(examples) * examples.inputs[0].numel() <= FEW:
        return _joined(stack.evaluate(block, given, shared=False) for block in examples.gathered(EVALUATED_AT_ONCE))
    return _by_replicate(stack, examples, given)


def _by_replicate(stack: Stack, examples: Examples, weights: Mapping[str, Tensor]) -> Any:
    """One forward pass for the runs of each replicate: what they share is not copied for each."""
    found, order = list[Any](), list[Tensor]()
    for runs, blocks in examples.by_replicate(EVALUATED_AT_ONCE):
        mine = {name: tensor[runs] for name, tensor in weights.items()}
        found.append(_joined(stack.evaluate(block, mine) for block in blocks))
        order.append(runs)
    place = torch.cat(order).argsort()
    return each_part(lambda *parts: torch.cat(parts)[place], *found)


def _joined(blocks: Iterable[Any]) -> Any:
    return each_part(lambda *parts: torch.cat(parts, dim=1), *blocks)


def each_part(function: Callable[..., Tensor], *outputs: Any) -> Any:
    """Apply a function to the tensors of some outputs, part by part where they are tuples."""
    if isinstance(outputs[0], Tensor):
        return function(*outputs)
    return type(outputs[0])(*map(function, *outputs))
