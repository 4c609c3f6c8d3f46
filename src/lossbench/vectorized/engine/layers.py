"""Groups of layers to which a schedule gives learning rates of their own."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from lossbench.vectorized.engine.optimizers import Numbers, StackedOptimizer


class Layers:
    """Update each group of parameters with its own numbers; a group that is frozen at a step has none.

    Args:
        groups: places of the parameters of each group, from the stem to the head.
    """

    def __init__(self, groups: Sequence[Sequence[int]]) -> None:
        self.groups = groups

    def numbers(self, optimizer: StackedOptimizer, schedule: Any, place: tuple[int, int, int]) -> dict[str, Any]:
        """Count a step, and give the numbers of its update, those of group g as "g.name".

        Args:
            optimizer: that updates; it forgets its state where the schedule starts anew.
            schedule: of the learning rates.
            place: step, total steps, steps of an epoch.
        """
        if schedule.starts_anew(*place):
            optimizer.reset()
        count, found = optimizer.step_count, dict[str, Any]()
        for g, factor in enumerate(schedule.factors(*place, len(self.groups))):
            if factor is not None:
                optimizer.step_count = count  # one step, whatever the number of groups
                given = optimizer.numbers(factor, schedule.momentum(*place))
                found |= {f"{g}.{name}": number for name, number in given.items()}
        return found

    def trained(self, gradients: Sequence[Tensor], numbers: Numbers) -> list[Tensor]:
        """The gradients, those of frozen groups zero, so that they are in no norm."""
        found = list(gradients)
        for g, group in enumerate(self.groups):
            if not _of_group(g, numbers):
                for k in group:
                    found[k] = torch.zeros_like(found[k])
        return found

    def update(
        self,
        optimizer: StackedOptimizer,
        parameters: Sequence[Tensor],
        gradients: Sequence[Tensor],
        state: Mapping[str, Sequence[Tensor]],
        numbers: Numbers,
    ) -> None:
        """Update the groups that are not frozen, in place; see `StackedOptimizer.update`."""
        for g, group in enumerate(self.groups):
            if own := _of_group(g, numbers):
                mine = {name: [tensors[k] for k in group] for name, tensors in state.items()}
                optimizer.update([parameters[k] for k in group], [gradients[k] for k in group], mine, own)


def _of_group(g: int, numbers: Numbers) -> dict[str, Any]:
    return {name.partition(".")[2]: each for name, each in numbers.items() if name.startswith(f"{g}.")}
