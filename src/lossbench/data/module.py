"""The one data module: turns a source's splits into loaders that resume exactly."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from pytorch_lightning import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from lossbench.data.order import TrainBatches, evaluation_batches
from lossbench.data.source import Source, Split


class Batch(NamedTuple):
    """Inputs (b, ...), targets (b,) and positions in the split (b,)."""

    inputs: Tensor
    target: Tensor
    position: Tensor


class ArrayDataset(Dataset[Batch]):
    """A split in memory; a whole batch is one indexing operation."""

    def __init__(self, split: Split) -> None:
        self.inputs, self.targets = torch.from_numpy(split.inputs), torch.from_numpy(split.targets)

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int | slice) -> Batch:
        return Batch(self.inputs[index], self.targets[index], torch.arange(len(self))[index])

    def __getitems__(self, indices: list[int]) -> Batch:
        """Fetch a batch at once (the loader's fast path)."""
        position = torch.tensor(indices)
        return Batch(self.inputs[position], self.targets[position], position)


def as_is(batch: Any) -> Any:
    """Collate nothing: the data set has already made a batch."""
    return batch


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
        seed: the run's seed; with the batch number it decides the order of examples.
        batch_size: examples in a training batch over all processes, >= 1.
        num_workers: loader processes; the results do not depend on it.
        steps_per_epoch: batches in an epoch; None is one pass over the data.
        overfit_batches: keep only the first so many batches of the training split, and validate on them; 0 is off.
        limit_eval_batches: evaluate only the first so many batches of val and test; None evaluates everything.
    """

    def __init__(
        self,
        source: Source,
        seed: int,
        batch_size: int,
        num_workers: int = 0,
        steps_per_epoch: int | None = None,
        overfit_batches: int = 0,
        limit_eval_batches: int | None = None,
    ) -> None:
        super().__init__()
        self.source, self.seed, self.batch_size, self.num_workers = source, seed, batch_size, num_workers
        self.steps_per_epoch, self.overfit_batches, self.limit_eval_batches = steps_per_epoch, overfit_batches, limit_eval_batches
        self.done = 0
        self._loader: ResumableLoader | None = None

    def split(self, stage: str) -> Split:
        """The examples a stage (train, val or test) really uses."""
        overfit = self.overfit_batches if stage != "test" else 0
        limit = overfit if overfit or stage == "train" else self.limit_eval_batches
        split = self.source.splits["train" if overfit else stage]
        if not limit:
            return split
        take = slice(limit * self.batch_size)
        return Split(split.inputs[take], split.targets[take], split.ids[take])

    def train_dataloader(self) -> ResumableLoader:
        """The training batches, from where the run stands."""
        rank, world = self._place()
        split = self.split("train")
        batches = TrainBatches(
            len(split), self.batch_size, self.seed, steps_per_epoch=self.steps_per_epoch, rank=rank, world=world, done=self.done
        )
        self._loader = ResumableLoader(ArrayDataset(split), batches, **self._options())
        return self._loader

    def val_dataloader(self) -> DataLoader[Batch]:
        """The validation split, in order."""
        return self._evaluation_loader("val")

    def test_dataloader(self) -> DataLoader[Batch]:
        """The test split, in order."""
        return self._evaluation_loader("test")

    def state_dict(self) -> dict[str, int]:
        """How far the run has come: batches trained on."""
        return {"done": self._loader.batches.done if self._loader else self.done}

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        """Continue after `done` batches."""
        self.done = state_dict["done"]

    def _evaluation_loader(self, stage: str) -> DataLoader[Batch]:
        split = self.split(stage)
        batches = evaluation_batches(len(split), max(self.batch_size, 256), *self._place())
        return DataLoader(ArrayDataset(split), batch_sampler=batches, collate_fn=as_is, **self._options())

    def _place(self) -> tuple[int, int]:
        return (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)

    def _options(self) -> dict[str, Any]:
        on_gpu = self.trainer is not None and self.trainer.strategy.root_device.type == "cuda"
        return {"num_workers": self.num_workers, "persistent_workers": self.num_workers > 0, "pin_memory": on_gpu}
