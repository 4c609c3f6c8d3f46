"""The parameter groups of an optimiser: their learning rates, and their gradients before a step."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor


def remember_rates(optimizer: torch.optim.Optimizer) -> None:
    """Keep each group's base learning rate, which the schedule multiplies."""
    for group in optimizer.param_groups:
        group["initial_lr"] = group["lr"]


def set_rates(optimizer: torch.optim.Optimizer, factors: Sequence[float | None], momentum: float | None) -> None:
    """Set what a schedule gives for a step.

    Args:
        optimizer: its groups remember their base learning rates.
        factors: on them, one for each group; None freezes a group.
        momentum: or Adam's first beta; None leaves it.
    """
    for group, factor in zip(optimizer.param_groups, factors, strict=True):
        group["lr"] = group["initial_lr"] * (factor or 0.0)
        group["frozen"] = factor is None
        if momentum is not None and "betas" in group:
            group["betas"] = (momentum, group["betas"][1])
        elif momentum is not None and "momentum" in group:
            group["momentum"] = momentum


def drop_frozen_gradients(optimizer: torch.optim.Optimizer) -> None:
    """Leave frozen groups as they are; not by requires_grad, which a distributed model looks at only once."""
    for group in optimizer.param_groups:
        if group["frozen"]:
            for parameter in group["params"]:
                parameter.grad = None


def multiply_gradients(optimizer: torch.optim.Optimizer, factor: Tensor) -> None:
    """Multiply all gradients, in place."""
    for gradient in _gradients(optimizer):
        gradient.mul_(factor)


def _gradients(optimizer: torch.optim.Optimizer) -> Iterator[Tensor]:
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            if parameter.grad is not None:
                yield parameter.grad
