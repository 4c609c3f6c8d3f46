"""The work of computing features: of centre crops, as evaluation sees images, or of random crops; each is done once."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from lossbench.config.sections import Features
from lossbench.data.batch import Batch
from lossbench.data.images.build_lock import build_lock
from lossbench.data.images.crops import Crops
from lossbench.data.images.image_source import ImageSource
from lossbench.data.images.inspection import cannot_cache
from lossbench.data.module import DataModule
from lossbench.errors import UserError
from lossbench.meter import Meter
from lossbench.training.features.store import BlockWriter, FeatureStore

VERSION = 2
CROPS_VERSION = 1
FORWARD_PIXELS = 8 * 224 * 224
"""Pixels that pass a backbone together on a CPU: what is between two layers stays in its caches."""
STORED = {"float32": "float32", "float16": "float16", "bfloat16": "uint16"}
"""NumPy's type of features that are kept: of bfloat16, which it lacks, that of its bits."""


class Work(Protocol):
    """Features of some images, or of crops of them."""

    store: FeatureStore
    keys: np.ndarray
    """What the store knows each by, (m,) text."""

    def batches(self, missing: np.ndarray) -> Iterable[Batch]:
        """Give those of some keys in order; positions are those of the images in the stage."""
        ...


class CentreCrops:
    """The centre crop of each image of a stage.

    Args:
        backbone: has `features`.
        data: the images.
        stage: train, val, test or "pool".
        settings: how features are computed.
    """

    def __init__(self, backbone: nn.Module, data: DataModule, stage: str, settings: Features) -> None:
        self.data, self.stage, source = data, stage, images_of(data)
        self.store, self.keys = _store(backbone, source, settings), source.digests(data.split(stage))

    def batches(self, missing: np.ndarray) -> Iterable[Batch]:
        """Give the centre crops of some images."""
        return self.data.evaluation_loader(self.stage, missing.tolist())


class RandomCrops:
    """The random crops of some images of a stage, those of one image side by side.

    Args:
        backbone: has `features`.
        data: the images.
        stage: train, val, test or "pool".
        settings: how features are computed.
        chosen: positions of the images in the stage.
    """

    def __init__(
        self, backbone: nn.Module, data: DataModule, stage: str, settings: Features, chosen: np.ndarray
    ) -> None:
        self.data, self.stage, self.chosen, source = data, stage, chosen, images_of(data)
        self.crops = Crops(settings.views - 1, settings.scale, settings.flip)
        # the cache has smaller images than the files, and so other pixels in a crop
        how = (CROPS_VERSION, *map(float, settings.scale), float(settings.flip), data.cache == "none")
        self.store = _store(backbone, source, settings, *how)
        digests = source.digests(data.split(stage))[chosen].tolist()
        self.keys = np.array([f"{digest}/{crop}" for digest in digests for crop in range(self.crops.count)], dtype=str)

    def batches(self, missing: np.ndarray) -> Iterable[Batch]:
        """Give some crops."""
        count = self.crops.count
        positions = self.chosen[missing // count] * count + missing % count
        for batch in self.data.crops_loader(self.stage, self.crops, positions.tolist()):
            yield batch._replace(position=batch.position // count)


def computed(
    work: Work, backbone: nn.Module, device: torch.device, data: DataModule, stage: str, into: np.ndarray | None = None
) -> np.ndarray:
    """Read features; what the store lacks is computed first, while other processes that lack it too wait.

    Args:
        work: what is wanted.
        backbone: has `features`, inputs (b, 3, H, W) to (b, D); in evaluation mode.
        device: where they are computed.
        data: the images.
        stage: of the images.
        into: takes the features, (m, D); None makes an array.

    Returns:
        (m, D), as they are stored.

    Raises:
        UserError: they cannot be kept.
    """
    features, missing = work.store.read(work.keys, into)
    if not len(missing):
        return features
    path = work.store.folder
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with build_lock(path.with_name(f"{path.name}.lock"), path), moved(backbone, device):
            _compute(work, work.store.read(work.keys)[1], backbone, device, data, stage)
    except OSError as error:
        raise cannot_cache(path, error) from error
    features, missing = work.store.read(work.keys, into)
    if len(missing):
        raise UserError(
            f"{path} lacks features of {len(missing):,} images that were just written; "
            "choose another place with data.cache_dir=PATH or LOSSBENCH_CACHE"
        )
    return features


def _compute(
    work: Work, missing: np.ndarray, backbone: nn.Module, device: torch.device, data: DataModule, stage: str
) -> None:
    """Put images through a backbone and add their features to a store."""
    done, unit = 0, "images" if isinstance(work, CentreCrops) else "crops"
    meter = Meter("computing features", len(missing), unit)
    with torch.inference_mode(), meter, BlockWriter(work.store) as writer:
        for batch in work.batches(missing):
            inputs = data.device_transforms(batch.on(device), stage).inputs
            keys = work.keys[missing[done : done + len(inputs)]]
            writer.add(keys, stored(forward(backbone, inputs), work.store.dtype.name))
            done += len(inputs)
            meter.add(len(inputs))


@contextmanager
def moved(backbone: nn.Module, device: torch.device) -> Iterator[None]:
    """Move a backbone to a device for a while; on a CPU with channels last, in which convolutions are faster."""
    if device.type == "cpu":
        backbone.to(memory_format=torch.channels_last)
    backbone.to(device)
    try:
        yield
    finally:
        backbone.cpu().to(memory_format=torch.contiguous_format)


def forward(backbone: Any, inputs: Tensor) -> Tensor:
    """Give the features of a batch, in parts that fit the caches of a CPU: float32, (b, D), on the CPU."""
    size = len(inputs) if inputs.is_cuda else max(1, FORWARD_PIXELS // inputs[0, 0].numel())
    return torch.cat([backbone.features(part).float() for part in inputs.split(size)]).cpu()


def stored(features: Tensor, dtype: str) -> np.ndarray:
    """Give features as they are stored.

    Args:
        features: float32, (b, D).
        dtype: float32, float16, or uint16 for the bits of bfloat16.

    Raises:
        UserError: a number exceeds float16.
    """
    if dtype == "float32":
        return features.numpy()
    if dtype == "uint16":
        return features.bfloat16().view(torch.uint16).numpy()
    found = features.half().numpy()
    if np.isinf(found).any():
        raise UserError(
            "features.dtype=float16 holds numbers up to 65,504, and this backbone gives larger ones; "
            "use features.dtype=bfloat16 or float32"
        )
    return found


def images_of(data: DataModule) -> ImageSource:
    """Give the images of a data module.

    Raises:
        UserError: it has none.
    """
    if not isinstance(data.source, ImageSource):
        raise UserError("model.backbone makes features of images; this data set has none: use model=linear")
    return data.source


def _store(backbone: nn.Module, source: ImageSource, settings: Features, *how: object) -> FeatureStore:
    """Where features are kept that are computed this way."""
    seen = (VERSION, digest_of(backbone), source.image_size, source.shorter_side, list(source.mean), list(source.std))
    seen += () if source.interpolation == "bilinear" else (source.interpolation,)
    seen += () if settings.dtype == "float32" else (settings.dtype,)
    seen += how
    name = sha256(str(seen).encode()).hexdigest()[:24]
    return FeatureStore(source.cache / "features" / name, STORED[settings.dtype])


def digest_of(module: nn.Module) -> str:
    """Hash what a module computes with: its structure, weights and buffers."""
    digest = sha256(str(module).encode())
    for name, value in module.state_dict().items():
        if not name.startswith("head."):  # features do not pass it
            digest.update(
                f"{name} {value.dtype} {tuple(value.shape)}".encode()
                + value.detach().cpu().contiguous().numpy().tobytes()
            )
    return digest.hexdigest()
