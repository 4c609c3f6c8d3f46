"""Runs of a group as one stack: those that are trained together now, and what they are validated with."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from lossbench.config.schema import RunConfig
from lossbench.data.order import TrainBatches
from lossbench.training.assemble import build_schedule, layer_groups
from lossbench.training.evaluation import Yardstick
from lossbench.vectorized.engine.examples import Examples
from lossbench.vectorized.engine.layers import Layers
from lossbench.vectorized.engine.stack import Stack
from lossbench.vectorized.engine.step.program import Sums
from lossbench.vectorized.members import build_members, stacked_counts, stacked_yardsticks
from lossbench.vectorized.shared import Shared
from lossbench.vectorized.varied import batches_of


class Packed(NamedTuple):
    """P of K runs in a stack.

    Args:
        runs: their places among the K, (P,), in order.
        here: the same on the device.
        stack: their stack.
        val: the validation split, as each of them sees it.
        yardsticks: their values on the outputs of these runs.
        train_counts: the training examples of each run's classes, (P, C), where they are uneven.
        rates: their learning rates, (P,).
    """

    runs: Tensor
    here: Tensor
    stack: Stack
    val: Examples
    yardsticks: dict[str, Yardstick]
    train_counts: Tensor | None
    rates: Tensor


class Packer:
    """Pack some of K runs into a stack.

    Args:
        configs: of all K runs.
        shared: what they share.
        device: where they are trained.
        dtype: of the parameters.
        sums: what each step adds to the sums of its epoch.
    """

    def __init__(
        self, configs: Sequence[RunConfig], shared: Shared, device: torch.device, dtype: torch.dtype, sums: Sums
    ) -> None:
        self.configs, self.shared, self.device, self.dtype, self.sums = configs, shared, device, dtype, sums
        self.replicates = [shared.replicate(config) for config in configs]
        self.members = build_members(configs, shared, device, dtype)
        self.schedule = build_schedule(configs[0])
        self.examples = {stage: self._examples(stage, configs) for stage in ("train", *configs[0].stages)}
        """Of all K runs."""

    def pack(self, runs: Tensor) -> Packed:
        """Make a stack of the runs at these places, with their initial weights: (P,), in order."""
        chosen, parts = runs.tolist(), self.shared.parts
        members, all_of_them = [self.members[k] for k in chosen], len(chosen) == len(self.configs)
        configs = [self.configs[k] for k in chosen]
        seen = self.examples if all_of_them else {stage: self._examples(stage, configs) for stage in ("train", "val")}
        batches = batches_of(parts.data, seen["train"], self._orders(chosen, len(seen["train"])))
        length = (parts.total_steps, parts.steps_per_epoch)
        more = (self.sums, self._layers(configs[0]))
        stack = Stack(members, configs[0].optimizer.target, batches, self.schedule, *length, *more)
        rates = torch.tensor([member.optimizer["lr"] for member in members], dtype=torch.float64)
        replicates = [self.replicates[k] for k in chosen]
        yardsticks, counts = stacked_yardsticks(replicates, self.device), stacked_counts(replicates, self.device)
        return Packed(runs, runs.to(self.device), stack, seen["val"], yardsticks, counts, rates)

    def _layers(self, config: RunConfig) -> Layers | None:
        """The groups of layers that the schedule treats differently; None where it treats them alike.

        Raises:
            UserError: the model has no groups.
        """
        if not self.schedule.layered:
            return None
        model = self.members[0].model
        places = {id(parameter): place for place, parameter in enumerate(model.parameters())}
        return Layers([[places[id(parameter)] for parameter in group] for group in layer_groups(model, config)])

    def _examples(self, stage: str, configs: Sequence[RunConfig]) -> Examples:
        return self.shared.examples(stage, configs, self.device, self.dtype)

    def _orders(self, chosen: Sequence[int], n: int) -> list[TrainBatches]:
        data = self.shared.parts.data
        return [
            TrainBatches(
                n,
                data.batch_size,
                self.configs[k].seed,
                steps_per_epoch=data.steps_per_epoch,
                classes=self.replicates[k].data.sampled_classes,
            )
            for k in chosen
        ]
