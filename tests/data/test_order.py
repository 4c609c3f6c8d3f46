"""The order of examples is a function of the seed and the batch number."""

import pickle
from itertools import chain

import pytest

from lossbench.data.order import TrainBatches, evaluation_batches


def batches(order: TrainBatches, count: int) -> list[list[int]]:
    return [order.batch(k) for k in range(count)]


@pytest.mark.parametrize(("n", "size"), [(12, 3), (12, 4), (12, 1), (12, 12), (12, 50)])
def test_every_example_once_in_a_pass(n: int, size: int) -> None:
    order = TrainBatches(n, size, 0)
    for number in range(3):
        seen = [order.batch(number * len(order) + k) for k in range(len(order))]
        assert sorted(chain(*seen)) == list(range(n))


def test_an_incomplete_last_batch_is_left_out_and_its_examples_return() -> None:
    order = TrainBatches(10, 4, 0)
    assert len(order) == 2
    passes = [set(chain(*batches(TrainBatches(10, 4, 0), 20)[2 * p : 2 * p + 2])) for p in range(10)]
    assert all(len(seen) == 8 for seen in passes)
    assert set.union(*passes) == set(range(10))


def test_the_order_is_the_one_that_made_the_runs_there_are() -> None:
    assert batches(TrainBatches(6, 2, seed=0), 3) == [[0, 1], [2, 3], [4, 5]]


def test_batch_k_depends_on_seed_and_k_alone() -> None:
    reference = batches(TrainBatches(20, 4, 7), 30)
    backwards = TrainBatches(20, 4, 7, steps_per_epoch=3, done=11)
    assert [backwards.batch(k) for k in reversed(range(30))] == reference[::-1]
    assert batches(TrainBatches(20, 4, 8), 30) != reference
    assert reference[:5] != reference[5:10]  # every pass is new


def test_a_full_batch_is_not_shuffled() -> None:
    assert batches(TrainBatches(5, 5, 3), 2) == [[0, 1, 2, 3, 4]] * 2


@pytest.mark.parametrize("world", [2, 4])
def test_the_ranks_together_see_the_batch_of_one_process(world: int) -> None:
    whole = batches(TrainBatches(22, 8, 1), 10)
    ranks = [batches(TrainBatches(22, 8, 1, rank=rank, world=world), 10) for rank in range(world)]
    for k in range(10):
        shares = [rank[k] for rank in ranks]
        assert {len(share) for share in shares} == {8 // world}
        assert sorted(chain(*shares)) == sorted(whole[k])


@pytest.mark.parametrize(("n", "world"), [(10, 4), (5, 2), (7, 7), (7, 4)])
def test_ranks_have_equal_shares_though_the_data_are_fewer_than_a_batch(n: int, world: int) -> None:
    ranks = [TrainBatches(n, 64, 1, rank=rank, world=world) for rank in range(world)]
    for k in range(20):
        shares = [rank.batch(k) for rank in ranks]
        assert {len(share) for share in shares} == {n // world}
        assert len(set(chain(*shares))) == n // world * world
    assert {len(rank) for rank in ranks} == {1}
    assert set(chain(*(batch for rank in ranks for batch in batches(rank, 50)))) == set(range(n))


@pytest.mark.parametrize(("world", "parts"), [(1, 4), (2, 2), (2, 1)])
def test_parts_of_all_ranks_together_are_the_batch(world: int, parts: int) -> None:
    whole = batches(TrainBatches(22, 8, 1), 10)
    ranks = [TrainBatches(22, 8, 1, rank=rank, world=world, accumulate=parts) for rank in range(world)]
    assert [len(rank) for rank in ranks] == [2 * parts] * world
    for k in range(10):
        shares = [rank.batch(k * parts + part) for rank in ranks for part in range(parts)]
        assert {len(share) for share in shares} == {8 // (world * parts)}
        assert sorted(chain(*shares)) == sorted(whole[k])


def test_a_batch_knows_its_pass_and_takes_it_along() -> None:
    order = TrainBatches(10, 4, 0)
    assert [order.batch(k).uses for k in range(6)] == [[k // 2] * 4 for k in range(6)]
    travelled = pickle.loads(pickle.dumps(order.batch(3)))
    assert (travelled, travelled.uses) == (order.batch(3), [1] * 4)


def test_fewer_examples_than_processes() -> None:
    with pytest.raises(ValueError, match="3 training examples are too few for 4 processes"):
        TrainBatches(3, 64, 0, world=4)


@pytest.mark.parametrize("steps", [None, 1, 3, 7])
def test_epochs_only_cut_the_same_sequence(steps: int | None) -> None:
    order = TrainBatches(20, 4, 2, steps_per_epoch=steps)
    assert len(order) == (steps or 5)
    seen: list[list[int]] = []
    for _ in range(4):
        epoch = list(order)
        assert len(epoch) == len(order)
        seen += epoch
        order.done += len(epoch)
    assert seen == batches(TrainBatches(20, 4, 2), 4 * len(order))


@pytest.mark.parametrize("steps", [None, 3, 7])
def test_resuming_anywhere_gives_the_rest_of_the_epoch(steps: int | None) -> None:
    reference = TrainBatches(20, 4, 2, steps_per_epoch=steps)
    for done in range(15):
        resumed = list(TrainBatches(20, 4, 2, steps_per_epoch=steps, done=done))
        end = (done // len(reference) + 1) * len(reference)
        assert resumed == [reference.batch(k) for k in range(done, end)]


@pytest.mark.parametrize(
    ("n", "size", "world"),
    [(10, 4, 1), (10, 4, 2), (11, 4, 3), (1, 256, 4), (7, 1, 2), (2, 8, 5), (0, 4, 1), (0, 4, 2)],
)
def test_evaluation_covers_everything_in_step(n: int, size: int, world: int) -> None:
    ranks = [evaluation_batches(n, size, rank, world) for rank in range(world)]
    assert len({tuple(map(len, rank)) for rank in ranks}) == 1  # equally many, equally large
    assert all(0 < len(batch) <= max(1, size // world) for rank in ranks for batch in rank)
    seen = list(chain(*chain(*ranks)))
    assert set(seen) == set(range(n))
    assert len(seen) == -(-n // world) * world


def test_evaluation_in_one_process_is_in_order_without_repeats() -> None:
    assert evaluation_batches(5, 2) == [[0, 1], [2, 3], [4]]
