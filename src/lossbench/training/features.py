"""Features of a frozen backbone: computed once for an image, shared by every loss, seed, split and sweep."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256

import numpy as np
import torch
from torch import nn

from lossbench.data.images.build_lock import build_lock
from lossbench.data.images.image_source import ImageSource
from lossbench.data.images.inspection import cannot_cache
from lossbench.data.module import POOL, DataModule
from lossbench.data.source import SPLITS, Source, Split, replicated
from lossbench.errors import UserError
from lossbench.meter import Meter
from lossbench.training.feature_store import BlockWriter, FeatureStore

VERSION = 2


@dataclass(frozen=True)
class FeatureSource(Source):
    """A data set of features in place of images.

    Args:
        given: split -> features, float32 (n, D), with the images' targets and ids; of replicates "pool" alone.
        class_names: the images' classes.
        images: what replicates are drawn by; None where there are none.
    """

    given: Mapping[str, Split]
    class_names: tuple[str, ...]  # pyright: ignore[reportIncompatibleVariableOverride] - the images' own
    images: ImageSource | None = None

    @property
    def input_shape(self) -> tuple[int, ...]:  # pyright: ignore[reportIncompatibleVariableOverride] - the backbone decides it
        """(D,)."""
        return next(iter(self.given.values())).inputs.shape[1:]

    @property
    def task(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride] - the images' own
        """That of the images."""
        return "classification" if self.images is None else self.images.task

    @property
    def folds(self) -> int | None:
        """Those of the images."""
        return None if self.images is None else self.images.folds

    def load(self) -> Mapping[str, Split]:
        """Give the features."""
        return self.given

    def pool(self) -> Split:
        """The features of all images that replicates are drawn from."""
        return self.given[POOL] if POOL in self.given else super().pool()

    def draw(self, replicate: int) -> Mapping[str, np.ndarray]:
        """Draw the splits of a replicate, as those of the images."""
        return super().draw(replicate) if self.images is None else self.images.draw(replicate)


def features_of(backbone: nn.Module, data: DataModule, accelerator: str) -> FeatureSource:
    """Compute, or read, the features of every image of a data set, or of all its replicates, as evaluation sees it.

    Args:
        backbone: has `features`, inputs (b, 3, H, W) to (b, D); in evaluation mode.
        data: the images.
        accelerator: "cpu" computes there, anything else on a GPU where there is one.

    Returns:
        The data set of features, of the same replicate.

    Raises:
        UserError: the data set has no images, or the features cannot be kept.
    """
    source = _images_of(data)
    device = torch.device("cuda" if accelerator != "cpu" and torch.cuda.is_available() else "cpu")
    store = _store(backbone, source)
    whole = DataModule(source, data.seed, data.batch_size, data.num_workers, cache=data.cache)
    given: dict[str, Split] = {}
    for stage in _stages(source):
        split = whole.split(stage)
        features, missing = store.read(source.digests(split))
        if len(missing):
            features = _computed(backbone, whole, stage, store, device)
        given[stage] = replace(split, inputs=features)
    return _features_source(source, given)


def missing_features(backbone: nn.Module, data: DataModule) -> int:
    """Count the images of a data set, or of all its replicates, whose features are not computed yet.

    Args:
        backbone: has `features`.
        data: the images.
    """
    source = _images_of(data)
    store = _store(backbone, source)
    return sum(len(store.read(source.digests(data.split(stage)))[1]) for stage in _stages(source))


def random_features(backbone: nn.Module, data: DataModule, accelerator: str) -> FeatureSource:
    """Draw numbers in place of every image's features, with the images' own targets: what takes as long to train on.

    Args:
        backbone: has `features`, inputs (b, 3, H, W) to (b, D).
        data: the images.
        accelerator: features are drawn on the CPU whatever it is.
    """
    source, rng = _images_of(data), np.random.default_rng(0)
    with torch.no_grad():
        features = backbone.features(torch.zeros(2, *source.input_shape))  # pyright: ignore[reportCallIssue] - asked for when it was built
    given: dict[str, Split] = {}
    for stage in _stages(source):
        split = data.split(stage)
        drawn = rng.standard_normal((len(split), features.shape[1]), dtype=np.float32)
        given[stage] = replace(split, inputs=drawn)
    return _features_source(source, given)


def _images_of(data: DataModule) -> ImageSource:
    if not isinstance(data.source, ImageSource):
        raise UserError("model.backbone makes features of images; this data set has none: use model=linear")
    return data.source


def _store(backbone: nn.Module, source: ImageSource) -> FeatureStore:
    seen = (VERSION, digest_of(backbone), source.image_size, source.shorter_side, list(source.mean), list(source.std))
    seen += () if source.interpolation == "bilinear" else (source.interpolation,)
    return FeatureStore(source.cache / "features" / sha256(str(seen).encode()).hexdigest()[:24])


def _stages(source: ImageSource) -> tuple[str, ...]:
    return SPLITS if source.replicate is None else (POOL,)


def _features_source(source: ImageSource, given: Mapping[str, Split]) -> FeatureSource:
    features = FeatureSource(given, tuple(source.class_names), source)
    return features if source.replicate is None else replicated(features, source.replicate)


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


def _computed(
    backbone: nn.Module, data: DataModule, stage: str, store: FeatureStore, device: torch.device
) -> np.ndarray:
    """Compute what a store lacks, while other processes that lack it too wait; then read all of a stage's features."""
    assert isinstance(data.source, ImageSource)
    digests, path = data.source.digests(data.split(stage)), store.folder
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with build_lock(path.with_name(f"{path.name}.lock"), path):
            missing = store.read(digests)[1]
            _compute(backbone.to(device), data, stage, missing, store, device)
            backbone.cpu()
    except OSError as error:
        raise cannot_cache(path, error) from error
    features, missing = store.read(digests)
    if len(missing):
        raise UserError(
            f"{path} lacks features of {len(missing):,} images that were just written; "
            "choose another place with data.cache_dir=PATH or LOSSBENCH_CACHE"
        )
    return features


def _compute(
    backbone: nn.Module,
    data: DataModule,
    stage: str,
    missing: np.ndarray,
    store: FeatureStore,
    device: torch.device,
) -> None:
    """Put images through a backbone, each as evaluation sees it, and add their features to a store."""
    assert isinstance(data.source, ImageSource)
    digests = data.source.digests(data.split(stage))
    with torch.inference_mode(), Meter("computing features", len(missing)) as meter, BlockWriter(store) as writer:
        for batch in data.evaluation_loader(stage, missing.tolist()):
            index = batch.position.numpy()
            batch = data.device_transforms(batch.on(device), stage)
            features = backbone.features(batch.inputs)  # pyright: ignore[reportCallIssue] - asked for when it was built
            writer.add(digests[index], features.float().cpu().numpy())
            meter.add(len(index))
