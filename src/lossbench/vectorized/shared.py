"""What the runs of a group share, and what those of one replicate share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from lossbench.config.schema import RunConfig
from lossbench.data.batch import tensor_of
from lossbench.data.module import POOL, DataModule
from lossbench.data.source import SPLITS, Source, Split, replicated
from lossbench.data.split import joined
from lossbench.errors import UserError, one_line
from lossbench.training.assemble import Parts, build_data, losses_of
from lossbench.training.evaluation import Loss
from lossbench.vectorized.engine.examples import Examples


@dataclass(frozen=True)
class Replicate:
    """What the runs of one replicate share.

    Args:
        data: its splits; their inputs are positions in the pool, except where no replicates were asked for, or where
            each replicate has inputs of its own.
        yardsticks: with numbers of the classes that belong to its training examples.
        record: what result.json holds of its data.
        left_out: what of its data is not used, in one line; "" where all is.
    """

    data: DataModule
    yardsticks: Mapping[str, Loss]
    record: Mapping[str, Any]
    left_out: str

    @property
    def train_counts(self) -> Tensor | None:
        """The training examples of each class, (C,), where they are uneven."""
        counts = self.record.get("class_counts")
        return None if counts is None else torch.tensor(counts)


class Held(NamedTuple):
    """Examples on a device, as `Examples` takes them.

    Args:
        inputs: (N, ...), or (M, ...) of all their forms; features that are stored in half precision are held in it.
        target: (N,).
        weight: (N,); None where all count alike.
        rows: (N, F) of their forms; None where there is one.
    """

    inputs: Tensor
    target: Tensor
    weight: Tensor | None
    rows: Tensor | None

    def at(self, positions: Tensor) -> "Held":
        """Pick examples; all their forms stay where they are."""
        weight = None if self.weight is None else self.weight[positions]
        if self.rows is None:
            return Held(self.inputs[positions], self.target[positions], weight, None)
        return Held(self.inputs, self.target[positions], weight, self.rows[positions])


class Shared:
    """What the runs of a group share.

    Args:
        parts: assembled from one of the runs.
    """

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self._replicates: dict[int | None, Replicate] = {}
        self._held: dict[tuple[str, torch.device, torch.dtype], Held] = {}

    def replicate(self, config: RunConfig) -> Replicate:
        """Give what the runs of a run's replicate share.

        Raises:
            UserError: its splits cannot be drawn, or a yardstick does not fit them.
        """
        if config.replicate not in self._replicates:
            self._replicates[config.replicate] = _replicate(config, self.parts)
        return self._replicates[config.replicate]

    def seen_by(self, config: RunConfig) -> Source:
        """Give the data set that a run's model sees: features in place of images, the replicate's own inputs."""
        return self.replicate(config).data.source if self.parts.source.own_inputs else self.parts.data.source

    def examples(self, stage: str, configs: Sequence[RunConfig], device: torch.device, dtype: torch.dtype) -> Examples:
        """Give a split as each of some runs sees it.

        Args:
            stage: train, val or test.
            configs: of the runs.
            device: where they are trained.
            dtype: of the inputs.
        """
        numbers = list(dict.fromkeys(config.replicate for config in configs))
        which = [numbers.index(config.replicate) for config in configs]
        of = {config.replicate: self.replicate(config).data.split(stage) for config in configs}
        splits = [of[number] for number in numbers]
        given: dict[str, Any] = {"true": self._true_targets(splits), "prepare": self.parts.data.normalise}
        if numbers == [None]:
            held = self._tensors(stage, device, dtype)
            return Examples(held.inputs, held.target, which, None, held.weight, held.rows, dtype, **given)
        held, chosen = self._chosen(splits, device, dtype)
        if stage != "train":
            held = held._replace(rows=None)
        if len(chosen) == 1:
            held, chosen = held.at(chosen[0].to(device)), None
        own = [torch.from_numpy(split.targets) for split in splits]
        return Examples(held.inputs, held.target, which, chosen, held.weight, held.rows, dtype, own, **given)

    def _chosen(self, splits: Sequence[Split], device: torch.device, dtype: torch.dtype) -> tuple[Held, list[Tensor]]:
        """What any of some replicates may see, and each one's positions in it."""
        if self.parts.source.own_inputs:
            together = joined(splits)
            return _held(together, device, dtype), [*torch.arange(len(together)).split([*map(len, splits)])]
        return self._tensors(POOL, device, dtype), [torch.from_numpy(split.inputs) for split in splits]

    def _tensors(self, stage: str, device: torch.device, dtype: torch.dtype) -> Held:
        """Give a split, or all replicates, moved to the device once for all stacks."""
        key = (stage, device, dtype)
        if key not in self._held:
            self._held[key] = _held(self._split(stage), device, dtype)
        return self._held[key]

    def _split(self, stage: str) -> Split:
        """A split, or all replicates; images are decoded, as evaluation sees them before they are normalised."""
        split, data = self.parts.data.split(stage), self.parts.data
        return split if data.normalise is None else replace(split, inputs=data.decoded(stage).numpy())

    def _true_targets(self, splits: Sequence[Split]) -> list[Tensor] | None:
        """The targets before labels were made wrong; None where none were, or where examples are mixed."""
        augment = self.parts.data.augment
        if augment is not None and (augment.mixup or augment.cutmix):
            return None
        return [torch.from_numpy(split.true_targets) for split in splits if split.true_targets is not None] or None


def _held(split: Split, device: torch.device, dtype: torch.dtype) -> Held:
    inputs = tensor_of(split.inputs if split.forms is None else split.forms.table)
    return Held(
        inputs.to(device, dtype if inputs.dtype == torch.float32 else inputs.dtype),
        torch.from_numpy(split.targets).to(device),
        None if split.weights is None else torch.from_numpy(split.weights).to(device, dtype),
        None if split.forms is None else torch.from_numpy(split.forms.rows).to(device),
    )


def _replicate(config: RunConfig, parts: Parts) -> Replicate:
    if config.replicate is None:
        return Replicate(parts.data, parts.yardsticks, parts.source.record(), parts.source.left_out_line())
    try:
        source = replicated(parts.source, config.replicate)
        own = parts.source.own_inputs
        data = build_data(config, source if own else _positions(parts.data.source, config.replicate))
        _, yardsticks = losses_of(config, data)
        return Replicate(data, yardsticks, source.record(), source.left_out_line())
    except ValueError as error:
        raise UserError(f"replicate={config.replicate}: data.{one_line(error)}") from error


def _positions(source: Source, replicate: int) -> Source:
    """A replicate of a data set with positions in the pool as inputs: the pool is held once for all replicates."""
    pool, drawn, found = source.pool(), source.draw(replicate), replicated(source, replicate)
    positions = replace(pool, inputs=np.arange(len(pool)))
    unchanged = {name: positions.take(drawn[name]) for name in SPLITS}
    vars(found)["unchanged"] = unchanged  # in place of what the cached property would read
    return found
