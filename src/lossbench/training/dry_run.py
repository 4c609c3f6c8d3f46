"""Dry runs: new runs are tried on a few examples before their directories are written: what fails leaves nothing.

The parts of a run are built as `assemble` builds them, but from a few images instead of all, and without caches.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import torch
from torch import Tensor

from lossbench.config.facts import build_source
from lossbench.config.parse import Node
from lossbench.config.schema import RunConfig
from lossbench.data.images.image_source import ImageSource
from lossbench.data.module import DataModule
from lossbench.data.source import Source
from lossbench.errors import UserError, one_line
from lossbench.training.assemble import build_data, build_schedule, layer_groups, losses_of, model_of, require_measured
from lossbench.training.modules import build_backbone
from lossbench.training.surroundings import try_callbacks, try_loggers, try_optimizer, try_profiler
from lossbench.training.try_out import Tried, require_finite, softened, try_losses, try_model

T = TypeVar("T")
EXAMPLES, IMAGES = 64, 4
"""How many are tried."""
OF_MODEL = ("data", "model", "head", "embeddings", "augment", "scheduler")
OF_LOSSES = (*OF_MODEL, "loss", "yardsticks")
OF_OPTIMIZER, OF_CALLBACKS, OF_WRITERS = ("optimizer", "trainer"), ("callbacks",), ("logger", "profiler")
ALL_PARTS = (*OF_LOSSES, *OF_OPTIMIZER, *OF_CALLBACKS, *OF_WRITERS, "monitor")
"""The settings that a dry run depends on; runs that differ in the seed alone are tried once."""


@dataclass(frozen=True)
class TriedModel:
    """A model that has been tried.

    Args:
        data: the data set, with its augmentation.
        tried: what the model gives for a few examples.
    """

    data: DataModule
    tried: Tried


class DryRun:
    """Try configurations; what several have in common is tried once."""

    def __init__(self) -> None:
        self._known: dict[bytes, Any] = {}

    def __call__(self, config: RunConfig) -> None:
        """Try a configuration.

        Raises:
            UserError: a part does not fit the others, or cannot be built from its settings.
        """
        self._once(config, ALL_PARTS, self._try_parts)

    def _try_parts(self, config: RunConfig) -> None:
        found = self._once(config, OF_MODEL, lambda each: try_parts(each, self._source(each.data.source)))
        measured = self._once(config, OF_LOSSES, lambda each: _try_losses(each, found))
        require_measured(config, measured)
        self._once(config, OF_OPTIMIZER, try_optimizer)
        self._once(config, OF_CALLBACKS, try_callbacks)
        self._once(config, OF_WRITERS, _try_writers)

    def _once(self, config: RunConfig, keys: tuple[str, ...], function: Callable[[RunConfig], T]) -> T:
        """Give function(config), computed for the first configuration with these parts."""
        return self._computed({key: config.record.get(key) for key in keys}, lambda: function(config))

    def _source(self, node: Node) -> Source:
        """Give a data set, one for all models: it keeps the examples that it has read."""
        return self._computed({"source": node.record}, lambda: build_source(node))

    def _computed(self, parts: Mapping[str, Any], function: Callable[[], T]) -> T:
        key = sha256(json.dumps(parts, sort_keys=True, default=repr).encode()).digest()
        if key not in self._known:
            self._known[key] = function()
        return self._known[key]


def try_parts(config: RunConfig, source: Source) -> TriedModel:
    """Build the data, the model and the schedule, and put a few examples through the model."""
    data = build_data(config, source, cache="none")
    if config.data.cache != "none" and isinstance(data.source, ImageSource):
        _require_folder(data.source.cache / "images")
    inputs, target = augmented_examples(data)
    shape: tuple[int, ...] | None = None
    if config.model.backbone is not None:
        inputs = _features(config.model.backbone, data, inputs)
        shape = tuple(inputs.shape[1:])
    model = model_of(config, data.source, shape)
    if build_schedule(config).layered:
        layer_groups(model, config)
    return TriedModel(data, try_model(model, data.source, inputs, target))


def augmented_examples(data: DataModule) -> tuple[Tensor, Tensor]:
    """Give a few training inputs as the model sees them in training, and their targets as evaluation has them.

    Raises:
        UserError: the augmentation does not fit the images.
    """
    split = data.split("train")
    if not isinstance(data.source, ImageSource):
        n = min(EXAMPLES, len(split))
        return torch.from_numpy(split.inputs[:n]), torch.from_numpy(split.targets[:n])
    images: Any = data.dataset("train", training=True)
    try:
        batch = images.__getitems__(list(range(min(IMAGES, len(split)))))
    except (ValueError, TypeError, RuntimeError) as error:
        text = one_line(error).removeprefix("augment.transforms ")
        raise UserError(f"augment.transforms do not fit images of shape {data.source.input_shape}: {text}") from error
    return data.device_transforms(batch, "train").inputs, batch.target


def _try_writers(config: RunConfig) -> None:
    with TemporaryDirectory() as folder:
        try_loggers(config, folder)
        try_profiler(config, folder)


def _require_folder(folder: Path) -> None:
    """Make the folder in which decoded images are kept."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"cannot write {folder} ({error.strerror}); choose another place with data.cache_dir or LOSSBENCH_CACHE"
        ) from error


def _features(node: Node, data: DataModule, images: Tensor) -> Tensor:
    """The features of a few images."""
    if not isinstance(data.source, ImageSource):
        raise UserError("model.backbone makes features of images; this data set has none: use model=linear")
    backbone: Any = build_backbone(node, data.source.input_shape, data.source.num_classes)
    with torch.no_grad():
        return backbone.features(images)


def _try_losses(config: RunConfig, found: TriedModel) -> list[str]:
    loss, yardsticks = losses_of(config, found.data)
    measured = try_losses(loss, yardsticks, found.tried, found.data)
    require_finite(config.loss, loss, found.tried.output, softened(loss, found.tried.target, found.data))
    return measured
