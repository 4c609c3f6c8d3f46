"""The moving average of the weights of each run of a stack."""

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor

from lossbench.vectorized.engine.optimizers import Number, number_of, per_run


def decays(given: Sequence[float | None], device: torch.device) -> Number | None:
    """The decays of all runs; None where their weights are not averaged.

    Raises:
        ValueError: those of some are averaged, and those of others are not.
    """
    known = [each for each in given if each is not None]
    if known and len(known) < len(given):
        raise ValueError("stacked runs average their weights, or none of them does")
    return number_of(known, device) if known else None


def started(weights: Mapping[str, Tensor], decay: Number | None) -> dict[str, Tensor]:
    """The averages before the first step, copies of the weights; nothing where there is no decay."""
    return {} if decay is None else {name: tensor.detach().clone() for name, tensor in weights.items()}


def averaged(average: Iterable[Tensor], weights: Iterable[Tensor], decay: Number) -> list[Tensor]:
    """Move the averages towards the weights: decay a + (1 - decay) w, as torch.optim.swa_utils does it for one run.

    Args:
        average: parameters and buffers, (K, ...) each; those that count are whole numbers again afterwards.
        weights: of now, likewise.
        decay: 0..1, of all runs or (K,).

    Returns:
        New averages.
    """
    return [_one(a, w, decay) for a, w in zip(average, weights, strict=True)]


def _one(a: Tensor, w: Tensor, decay: Number) -> Tensor:
    like = a if a.is_floating_point() else a.to(torch.get_default_dtype())
    return (per_run(decay, like) * a + per_run(1 - decay, like) * w).to(a.dtype)


def decay_at(step: int, decay: Number) -> Number:
    """The decay with which the weights of a step enter the average: those of the first one are the average."""
    return decay if step else 0 * decay
