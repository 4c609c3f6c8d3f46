"""The one data module: turns a source's splits into loaders that resume exactly."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from pytorch_lightning import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from lossbench.data.augment import Augment
from lossbench.data.batch import ArrayDataset, Batch, FormsDataset, as_is
from lossbench.data.device_transforms import Normalise, soften
from lossbench.data.images.crops import Crops, CropViews, RepeatedReader
from lossbench.data.images.image_source import ImageSource
from lossbench.data.images.reader import Reader
from lossbench.data.images.readers import ChosenReader, Readers
from lossbench.data.images.views import ImageDataset, ViewDataset, Views
from lossbench.data.order import TrainBatches, evaluation_batches
from lossbench.data.source import Source
from lossbench.data.split import SPLITS, Split, joined
from lossbench.errors import UserError
from lossbench.hardware import cores
from lossbench.seeds import generator

POOL = "pool"
"""In place of a stage: all images that replicates are drawn from."""
UNTESTED = "a trial is never tested and has no test split; it is judged by its validation split, val"
EVALUATED_AT_ONCE = 256
"""Examples in an evaluation batch, at least."""


class ResumableLoader(DataLoader[Batch]):
    """A training loader that counts the batches handed over, which is all that resuming needs."""

    def __init__(self, dataset: Dataset[Batch], batches: TrainBatches, **options: Any) -> None:
        super().__init__(dataset, batch_sampler=batches, collate_fn=as_is, **options)
        self.batches = batches

    def __iter__(self) -> Iterator[Batch]:  # pyright: ignore[reportIncompatibleMethodOverride] - a generator starts no worker before the first batch is due
        for batch in super().__iter__():
            self.batches.done += 1
            yield batch

    def state_dict(self) -> dict[str, int]:
        """Batches handed over so far."""
        return {"done": self.batches.done}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Continue after `done` batches."""
        self.batches.done = state["done"]


class DataModule(LightningDataModule):
    """Feeds a source's splits to the trainer.

    Args:
        source: the data set.
        seed: the run's seed; with the batch number it decides the order of examples and their augmentation.
        batch_size: examples in an update of the weights, over all processes, >= 1.
        num_workers: loader processes, or "auto": one for each CPU core; the results do not depend on it.
        steps_per_epoch: updates in an epoch; None is one pass over the data.
        overfit_batches: keep only the first so many batches of the training split, and validate on them; 0 is off.
        limit_eval_batches: evaluate only the first so many batches of val and test; None evaluates everything.
        augment: how training images and targets are varied; None leaves them as they are.
        cache: "none" decodes files in the workers, "disk" keeps them decoded on disk, "gpu" keeps those in device
            memory and crops there.
        accumulate: parts of a process's share of a batch, worked on one after another.
        channels_last: the memory format of images.
        tested: whether there is a test split; a trial has none.
        sampler: "balanced" draws each class equally often in training; None draws each example once in a pass.
    """

    def __init__(
        self,
        source: Source,
        seed: int,
        batch_size: int,
        num_workers: int | str = 0,
        steps_per_epoch: int | None = None,
        overfit_batches: int = 0,
        limit_eval_batches: int | None = None,
        augment: Augment | None = None,
        cache: str = "none",
        accumulate: int = 1,
        channels_last: bool = False,
        tested: bool = True,
        sampler: str | None = None,
    ) -> None:
        super().__init__()
        self.source, self.seed, self.batch_size, self.num_workers = source, seed, batch_size, num_workers
        self.steps_per_epoch, self.overfit_batches, self.limit_eval_batches = (
            steps_per_epoch,
            overfit_batches,
            limit_eval_batches,
        )
        self.augment, self.cache, self.accumulate = augment, cache, accumulate
        self.sampler = sampler
        self.stages = SPLITS if tested else ("train", "val")
        self.normalise: Normalise | None = None
        if isinstance(source, ImageSource):
            self.normalise = Normalise(torch.tensor(source.mean), torch.tensor(source.std), channels_last=channels_last)
            self._readers = Readers(source, cache, self.split, self._cached_images, self.stages)
        self.done = 0
        # Not the loader: in a cycle with this module the garbage collector would free it, which closes the queues of
        # its workers before they are asked to end, and each is waited for 10 s.
        self._trained: TrainBatches | None = None

    def split(self, stage: str) -> Split:
        """The examples a stage (train, val or test) really uses, or all that replicates are drawn from ("pool").

        Raises:
            UserError: the test split of a trial.
        """
        if stage == "test" and stage not in self.stages:
            raise UserError(UNTESTED)
        if stage == POOL:
            return self.source.pool()
        overfit = self.overfit_batches if stage != "test" else 0
        limit = overfit if overfit or stage == "train" else self.limit_eval_batches
        split = self.source.splits["train" if overfit else stage]
        if not limit:
            return split
        return split.take(slice(limit * self.batch_size))

    def dataset(self, stage: str, *, training: bool = False) -> Dataset[Batch]:
        """The examples of a stage as evaluation, or training, sees them."""
        split, source = self.split(stage), self.source
        if not isinstance(source, ImageSource):
            return FormsDataset(split, self.seed) if training and split.forms is not None else ArrayDataset(split)
        return self.images(stage, self.seed, self.augment if training else None)

    def images(self, stage: str, seed: int, augment: Augment | None, chosen: np.ndarray | None = None) -> ViewDataset:
        """The images of a stage as a seed sees them, read and cropped; with cache=gpu their views alone.

        Args:
            stage: of the images.
            seed: decides how they are varied.
            augment: None gives what evaluation sees.
            chosen: positions of some of them; None are all.
        """
        split, reader = self.split(stage), self.reader(stage)
        if chosen is not None:
            split, reader = split.take(chosen), ChosenReader(reader, chosen)
        assert isinstance(self.source, ImageSource)
        return self._images(split, reader, Views(reader.sizes, *self.source.sides, seed, augment))

    def decoded(self, stage: str) -> Tensor:
        """What evaluation sees of all images of a stage, before it is normalised: uint8 (n, side, side, 3)."""
        reader, source = self.reader(stage), self.source
        assert isinstance(source, ImageSource)
        views = Views(reader.sizes, *source.sides, self.seed, None)
        return ImageDataset(reader, self.split(stage), views, self.fill, source.interpolation)[:].inputs

    @property
    def fill(self) -> np.ndarray:
        """The colour that replaces what is erased, uint8 (3,)."""
        return self._readers.fill

    def _images(self, split: Split, reader: Reader, views: Views) -> ViewDataset:
        """Images of which views are seen; on a GPU the views alone, which are cropped there."""
        assert isinstance(self.source, ImageSource)
        if self.cache == "gpu":
            return ViewDataset(split, views)
        return ImageDataset(reader, split, views, self.fill, self.source.interpolation)

    def reader(self, stage: str) -> Reader:
        """Where the pixels of a stage come from: its files or the cache, which is built at the first call."""
        return self._readers(stage)

    def prepare(self) -> None:
        """Build the cache on disk, so that a full disk is an error before anything is trained."""
        if self.cache != "none" and isinstance(self.source, ImageSource):
            self.reader("train")

    def _cached_images(self) -> Split:
        """The images that the cache holds: those of all splits, or of all replicates, whatever is changed in them."""
        if self.overfit_batches or self.limit_eval_batches:
            return joined([self.split(stage) for stage in self.stages])
        if self.source.replicate is not None:
            return self.source.pool()
        return joined([self.source.unchanged[stage] for stage in self.stages])

    def batches(self, rank: int = 0, world: int = 1) -> TrainBatches:
        """The order of training."""
        n = len(self.split("train"))
        return TrainBatches(
            n,
            self.batch_size,
            self.seed,
            steps_per_epoch=self.steps_per_epoch,
            rank=rank,
            world=world,
            accumulate=self.accumulate,
            done=self.done,
            classes=self.sampled_classes,
        )

    @property
    def sampled_classes(self) -> np.ndarray | None:
        """The classes of training examples, (n,), where each class is drawn equally often."""
        return self.split("train").targets if self.sampler == "balanced" else None

    def train_dataloader(self) -> ResumableLoader:
        """The training batches, from where the run stands."""
        self._trained = self.batches(*self._place())
        return ResumableLoader(self.dataset("train", training=True), self._trained, **self._options())

    def val_dataloader(self) -> DataLoader[Batch]:
        """The validation split, in order."""
        return self.evaluation_loader("val")

    def test_dataloader(self) -> DataLoader[Batch]:
        """The test split, in order."""
        return self.evaluation_loader("test")

    def evaluation_loader(self, stage: str, positions: Sequence[int] | None = None) -> DataLoader[Batch]:
        """A stage's examples, or some of them, each once, in order, shared out between the processes."""
        size = max(self.batch_size // self.accumulate, EVALUATED_AT_ONCE)
        chosen = range(len(self.split(stage))) if positions is None else positions
        places = evaluation_batches(len(chosen), size, *self._place())
        batches = [[chosen[place] for place in batch] for batch in places]
        return DataLoader(self.dataset(stage), batch_sampler=batches, collate_fn=as_is, **self._options())

    def crops_loader(self, stage: str, crops: Crops, positions: Sequence[int]) -> DataLoader[Batch]:
        """Random crops of a stage's images, in order; position k V + v is crop v of image k.

        Args:
            stage: of the images.
            crops: of each image, V of them.
            positions: which crops.
        """
        split, source, reader = self.split(stage), self.source, self.reader(stage)
        assert isinstance(source, ImageSource)
        views = CropViews(reader.sizes, *source.sides, source.digests(split), crops)
        repeated = split.take(np.repeat(np.arange(len(split)), crops.count))
        dataset = self._images(repeated, RepeatedReader(reader, crops.count), views)
        batches = [[*positions[at : at + EVALUATED_AT_ONCE]] for at in range(0, len(positions), EVALUATED_AT_ONCE)]
        return DataLoader(dataset, batch_sampler=batches, collate_fn=as_is, **self._options())

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        """Normalise, crop and mix a batch on the device."""
        assert self.trainer is not None
        if not self.trainer.training:
            return self.device_transforms(batch, "test" if self.trainer.testing else "val")
        part = self.trainer.fit_loop.epoch_loop.batch_progress.current.ready % self.accumulate
        return self.device_transforms(batch, "train", step=(self.trainer.global_step, part))

    def device_transforms(self, batch: Batch, stage: str, step: tuple[int, int] | None = None) -> Batch:
        """Crop where that is done on the device, normalise, and mix the examples of a training step.

        Args:
            batch: as the data set of the stage gives it.
            stage: train, val or test.
            step: of training, and the part of its batch; None mixes nothing.
        """
        if self.normalise is not None:
            on_device = self.cache == "gpu"
            images = self._readers.cropped(batch.position, batch.inputs, stage) if on_device else batch.inputs
            batch = batch._replace(inputs=self.normalise(images))
        return (
            batch
            if step is None or self.augment is None
            else soften(batch, self.augment, self.source.num_classes, generator(self.seed, "mix", *step))
        )

    def state_dict(self) -> dict[str, int]:
        """How far the run has come: batches trained on."""
        return {"done": self._trained.done if self._trained else self.done}

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        """Continue after `done` batches."""
        self.done = state_dict["done"]

    def _place(self) -> tuple[int, int]:
        return (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)

    def _options(self) -> dict[str, Any]:
        on_gpu = self.trainer is not None and self.trainer.strategy.root_device.type == "cuda"
        workers = self.num_workers if isinstance(self.num_workers, int) else self._workers()
        return {"num_workers": workers, "persistent_workers": workers > 0, "pin_memory": on_gpu}

    def _workers(self) -> int:
        """A loader process for each of this process's CPU cores; cropping on the device needs none."""
        if self.cache == "gpu":
            return 0
        return max(1, cores(most=64) // (self.trainer.num_devices if self.trainer else 1))
