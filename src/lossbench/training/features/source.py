"""Features of a frozen backbone: computed once for an image, shared by every loss, seed, split and sweep."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn

from lossbench.config.sections import Features
from lossbench.data.changes.settings import NO_CHANGES
from lossbench.data.forms import Forms
from lossbench.data.images.image_source import ImageSource
from lossbench.data.module import POOL, DataModule
from lossbench.data.source import SPLITS, Source, Split, replicated
from lossbench.training.features.work import STORED, CentreCrops, RandomCrops, Work, computed, images_of, stored

CENTRE_ALONE = Features()


@dataclass(frozen=True)
class FeatureSource(Source):
    """A data set of features in place of images.

    Args:
        given: split -> features, (n, D), with all else that the images have; of replicates "pool" alone. Where
            training sees random crops too, they are the forms of its images.
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

    @property
    def drawn_by(self) -> int:
        """The seed of the images' splits."""
        return 0 if self.images is None else self.images.drawn_by

    def load(self) -> Mapping[str, Split]:
        """Give the features."""
        return self.given

    def pool(self) -> Split:
        """The features of all images that replicates are drawn from."""
        return self.given[POOL] if POOL in self.given else super().pool()

    def draw(self, replicate: int) -> Mapping[str, np.ndarray]:
        """Draw the splits of a replicate, as those of the images."""
        return super().draw(replicate) if self.images is None else self.images.draw(replicate)


def features_of(
    backbone: nn.Module, data: DataModule, accelerator: str, settings: Features = CENTRE_ALONE
) -> FeatureSource:
    """Compute, or read, the features of every image of a data set, or of all its replicates.

    Args:
        backbone: has `features`, inputs (b, 3, H, W) to (b, D); in evaluation mode.
        data: the images.
        accelerator: "cpu" computes there, anything else on a GPU where there is one.
        settings: how they are computed: as evaluation sees images, and of random crops of training images.

    Returns:
        The data set of features, of the same replicate.

    Raises:
        UserError: the data set has no images, or the features cannot be kept.
    """
    source = images_of(data).with_changes(NO_CHANGES)
    device = torch.device("cuda" if accelerator != "cpu" and torch.cuda.is_available() else "cpu")
    last = device.type == "cpu"
    whole = DataModule(source, data.seed, data.batch_size, data.num_workers, cache=data.cache, channels_last=last)
    given: dict[str, Split] = {}
    for stage in _stages(source):
        centre = computed(CentreCrops(backbone, whole, stage, settings), backbone, device, whole, stage)
        chosen = _trained_on(source, stage, settings)
        given[stage], room = _with_room(replace(whole.split(stage), inputs=centre), chosen, settings)
        if len(room):
            computed(RandomCrops(backbone, whole, stage, settings, chosen), backbone, device, whole, stage, room)
    return _features_source(images_of(data), given)


def missing_features(backbone: nn.Module, data: DataModule, settings: Features = CENTRE_ALONE) -> int:
    """Count the crops of images of a data set, or of all its replicates, whose features are not computed yet.

    Args:
        backbone: has `features`.
        data: the images.
        settings: how they are computed.
    """
    source = images_of(data).with_changes(NO_CHANGES)
    whole, missing = DataModule(source, data.seed, data.batch_size, cache=data.cache), 0
    for stage in _stages(source):
        works: list[Work] = [CentreCrops(backbone, whole, stage, settings)]
        if len(chosen := _trained_on(source, stage, settings)):
            works.append(RandomCrops(backbone, whole, stage, settings, chosen))
        missing += sum(len(work.store.read(work.keys)[1]) for work in works)
    return missing


def random_features(
    backbone: nn.Module, data: DataModule, accelerator: str, settings: Features = CENTRE_ALONE
) -> FeatureSource:
    """Draw numbers in place of every image's features, with the images' own targets: what takes as long to train on.

    Args:
        backbone: has `features`, inputs (b, 3, H, W) to (b, D).
        data: the images.
        accelerator: features are drawn on the CPU whatever it is.
        settings: how they would be computed.
    """
    source, rng = images_of(data).with_changes(NO_CHANGES), np.random.default_rng(0)
    with torch.no_grad():
        features = backbone.features(torch.zeros(2, *source.input_shape))  # pyright: ignore[reportCallIssue] - asked for when it was built
    given: dict[str, Split] = {}
    for stage in _stages(source):
        split, name = source.pool() if stage == POOL else source.splits[stage], STORED[settings.dtype]
        drawn = rng.standard_normal((len(split), features.shape[1]), dtype=np.float32)
        centre = replace(split, inputs=stored(torch.from_numpy(drawn), name))
        given[stage], room = _with_room(centre, _trained_on(source, stage, settings), settings)
        room[:] = stored(torch.from_numpy(rng.standard_normal(room.shape, dtype=np.float32)), name)
    return _features_source(images_of(data), given)


def _stages(source: ImageSource) -> tuple[str, ...]:
    return SPLITS if source.replicate is None else (POOL,)


def _trained_on(source: ImageSource, stage: str, settings: Features) -> np.ndarray:
    """The positions of a stage's images that have random crops: those that a run may be trained on."""
    if settings.views == 1 or stage not in ("train", POOL):
        return np.arange(0)
    if stage == "train":
        return np.arange(len(source.splits["train"]))
    tested = source.draw(0)["test"] if source.published_test else np.arange(0)
    return np.setdiff1d(np.arange(len(source.pool())), tested)


def _with_room(split: Split, chosen: np.ndarray, settings: Features) -> tuple[Split, np.ndarray]:
    """Put the features of centre crops into a table with room for those of random crops behind them.

    Args:
        split: with centre crops, (n, D).
        chosen: positions of the images that have random crops, (m,).
        settings: how many.

    Returns:
        The split, of which an image without random crops has the centre crop in place of each; and the room for V
        random crops of each image, (m V, D).
    """
    n, count, centre = len(split), settings.views - 1, split.inputs
    if not len(chosen):
        return split, centre[:0]
    table = np.empty((n + len(chosen) * count, centre.shape[1]), dtype=centre.dtype)
    table[:n] = centre
    rows = np.repeat(np.arange(n)[:, None], settings.views, axis=1)
    rows[chosen, 1:] = n + np.arange(len(chosen) * count).reshape(-1, count)
    return replace(split, inputs=table[:n], forms=Forms(table, rows)), table[n:]


def _features_source(source: ImageSource, given: Mapping[str, Split]) -> FeatureSource:
    features = FeatureSource(given, source.own_names, source).with_changes(source.changes)
    return features if source.replicate is None else replicated(features, source.replicate)
