"""Passes in which each class is drawn equally often: exact, resumable, and shared out between processes."""

from itertools import chain

import numpy as np
import pytest

from lossbench.data.order import Draw, TrainBatches

TARGETS = np.repeat([0, 1, 3], [40, 9, 2])  # a class without examples lies between them


def order(size: int = 10, **settings: int) -> TrainBatches:
    return TrainBatches(len(TARGETS), size, 5, classes=TARGETS, **settings)


def test_each_pass_has_equally_many_of_each_class_and_each_example_of_a_class_is_drawn_equally_often() -> None:
    passes = [order().order_of(number) for number in range(9)]
    for each in passes:
        counts = np.bincount(TARGETS[each])[[0, 1, 3]]
        assert counts.sum() == len(TARGETS) == 51
        assert np.ptp(counts) <= 1
    drawn = np.bincount(np.concatenate(passes), minlength=len(TARGETS))
    assert np.bincount(TARGETS, weights=drawn)[[0, 1, 3]].tolist() == [153, 153, 153]  # in 3 passes all are equal
    for label in (0, 1, 3):
        assert np.ptp(drawn[label == TARGETS]) <= 1
    assert not np.array_equal(passes[0], passes[1])


def test_each_use_of_an_example_has_a_number_of_its_own() -> None:
    balanced = order(size=51)  # full batches are drawn anew in each step too
    used = [pair for k in range(4) for pair in zip(balanced.batch(k), balanced.batch(k).uses, strict=True)]
    assert len({*used}) == len(used)
    for position in range(len(TARGETS)):
        numbers = sorted(use for other, use in used if other == position)
        assert numbers == [*range(len(numbers))]


def test_batches_resume_anywhere_and_are_shared_out_between_processes_and_parts() -> None:
    whole = [order().batch(k) for k in range(20)]
    again = order(done=13)
    assert [again.batch(k) for k in range(13, 20)] == whole[13:]
    ranks = [order(rank=rank, world=2, accumulate=5) for rank in range(2)]
    for k, together in enumerate(whole):
        parts = [ranks[rank].batch(5 * k + part) for part in range(5) for rank in range(2)]
        assert sorted(chain(*parts)) == sorted(together)
        assert sorted(chain(*(part.uses for part in parts))) == sorted(together.uses)


@pytest.mark.parametrize("size", [10, 51])
def test_forms_follow_the_uses_of_each_place(size: int) -> None:
    balanced = order(size)
    first = TrainBatches(len(TARGETS), size, 5).forms_of(0, 4)  # of each example where none was drawn before
    plain = dict(zip(TrainBatches(len(TARGETS), size, 5).order_of(0).tolist(), first.tolist(), strict=True))
    batch: Draw = TrainBatches(len(TARGETS), len(TARGETS), 5, classes=TARGETS).batch(2)
    wanted = [(plain[position] + use) % 4 for position, use in zip(batch, batch.uses, strict=True)]
    assert balanced.forms_of(2, 4).tolist() == wanted
