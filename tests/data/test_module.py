"""Loaders: the same batches whatever the workers, and from wherever the run stands."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain, islice
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from lossbench.data.batch import ArrayDataset, Batch
from lossbench.data.module import DataModule
from lossbench.data.order import TrainBatches
from lossbench.data.source import Source, Split

SIZES = {"train": 22, "val": 9, "test": 7}


@dataclass(frozen=True)
class Counting(Source):
    """Examples that say where they come from: input = 100 x split + position."""

    class_names: ClassVar[tuple[str, ...]] = ("even", "odd")
    input_shape: ClassVar[tuple[int, ...]] = (1,)

    def load(self) -> Mapping[str, Split]:
        def make(start: int, n: int) -> Split:
            index = np.arange(n)
            return Split((start + index[:, None]).astype(np.float32), index % 2, index.astype(str))

        return {name: make(100 * i, n) for i, (name, n) in enumerate(SIZES.items())}


def module(**settings: Any) -> DataModule:
    return DataModule(Counting(), seed=3, **{"batch_size": 4, **settings})


def positions(batches: Any) -> list[list[int]]:
    return [batch.position.tolist() for batch in batches]


def place(data: DataModule, rank: int, world: int) -> DataModule:
    """As one of several processes."""
    data.trainer = SimpleNamespace(  # pyright: ignore[reportAttributeAccessIssue] - all that is asked of it
        global_rank=rank, world_size=world, strategy=SimpleNamespace(root_device=torch.device("cpu"))
    )
    return data


def test_training_batches_follow_the_order_and_hold_their_examples() -> None:
    batches = list(module().train_dataloader())
    order = TrainBatches(22, 4, 3)
    assert positions(batches) == [order.batch(k) for k in range(5)]
    for batch in batches:
        assert batch.inputs[:, 0].tolist() == batch.position.tolist()
        assert batch.target.tolist() == [position % 2 for position in batch.position.tolist()]
        assert (batch.inputs.dtype, batch.target.dtype) == (torch.float32, torch.int64)


def test_one_example_or_many_are_the_same() -> None:
    data = ArrayDataset(Counting().splits["val"])
    many = data.__getitems__([4, 2])
    assert len(data) == 9
    for i, index in enumerate((4, 2)):
        assert all(
            torch.equal(one, column[i]) for one, column in zip(data[index].tensors(), many.tensors(), strict=True)
        )


def test_workers_change_nothing() -> None:
    def epochs(workers: int) -> list[Batch]:
        data = module(num_workers=workers, steps_per_epoch=7)
        loader = data.train_dataloader()
        return [*loader, *loader, *data.val_dataloader()]

    alone, helped = epochs(0), epochs(2)
    assert len(alone) == 15
    for ours, theirs in zip(alone, helped, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(ours.tensors(), theirs.tensors(), strict=True))


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("done", [0, 3, 7, 10])
def test_a_resumed_module_goes_on_where_the_first_one_stopped(done: int, workers: int) -> None:
    first = module(num_workers=workers, steps_per_epoch=7)
    loader = first.train_dataloader()
    whole = positions([*loader, *loader])
    interrupted = module(num_workers=workers, steps_per_epoch=7)
    loader = interrupted.train_dataloader()
    if done >= 7:
        list(loader)
    list(islice(loader, done % 7))
    state = interrupted.state_dict()
    assert state == {"done": done}  # not what the workers have fetched ahead
    resumed = module(num_workers=workers, steps_per_epoch=7)
    resumed.load_state_dict(state)
    assert resumed.state_dict() == state
    rest = resumed.train_dataloader()
    assert positions(rest) == whole[done : 7 if done < 7 else 14]
    assert resumed.state_dict() == {"done": 7 if done < 7 else 14}


def test_the_loader_itself_resumes_too() -> None:
    loader = module().train_dataloader()
    list(islice(loader, 2))
    other = module().train_dataloader()
    other.load_state_dict(loader.state_dict())
    assert positions(other) == positions(module().train_dataloader())[2:]


@pytest.mark.parametrize("stage", ["val", "test"])
def test_evaluation_is_whole_and_in_order(stage: str) -> None:
    data = module()
    loader = data.val_dataloader() if stage == "val" else data.test_dataloader()
    inputs = torch.cat([batch.inputs for batch in loader])[:, 0]
    assert inputs.tolist() == [100 * list(SIZES).index(stage) + i for i in range(SIZES[stage])]


def test_overfitting_trains_and_validates_on_the_first_batches_of_train() -> None:
    data = module(overfit_batches=2)
    assert len(data.split("test")) == len(module().split("test"))
    for _ in range(2):
        assert sorted(chain(*positions(data.train_dataloader()))) == list(range(8))
    (batch,) = data.val_dataloader()
    assert batch.inputs[:, 0].tolist() == list(range(8))
    (batch,) = data.test_dataloader()
    assert batch.inputs[0, 0] == 200


def test_limited_evaluation_keeps_training_whole() -> None:
    data = module(limit_eval_batches=1)
    assert [len(data.split(stage)) for stage in SIZES] == [22, 4, 4]
    assert data.split("test").ids.tolist() == ["0", "1", "2", "3"]
    assert [len(module(limit_eval_batches=9).split(stage)) for stage in SIZES] == [22, 9, 7]


def test_two_processes_share_every_batch() -> None:
    shares = [positions(place(module(), rank, 2).train_dataloader()) for rank in (0, 1)]
    whole = positions(module().train_dataloader())
    assert [sorted(a + b) for a, b in zip(*shares, strict=True)] == [sorted(batch) for batch in whole]
    evaluated = [positions(place(module(), rank, 2).val_dataloader()) for rank in (0, 1)]
    assert [list(chain(*share)) for share in evaluated] == [[0, 2, 4, 6, 8], [1, 3, 5, 7, 0]]
