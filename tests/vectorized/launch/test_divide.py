"""Which runs of a sweep share a stack, and how many stacks a group makes."""

import pytest
from records import config_with

from lossbench.config.schema import RunConfig
from lossbench.vectorized.launch.divide import LEAST, in_stacks, sizes_of

ADAM = {"name": "adam", "_target_": "torch.optim.Adam", "lr": 0.1}
DIGITS = {"name": "digits", "_target_": "lossbench.data.digits.Digits", "batch_size": 64}
COMMON = (("data", DIGITS), ("optimizer", ADAM))


def run(loss: str, seed: int, *changes: tuple[str, object]) -> RunConfig:
    settings = {"name": loss, "_target_": f"lossbench.losses.{loss}"}
    return config_with(*COMMON, ("loss", settings), ("seed", seed), *changes)


@pytest.mark.parametrize(
    ("runs", "most", "tasks", "sizes"),
    [
        (400, 500, 2, [200, 200]),
        (10_000, 500, 2, [500] * 20),
        (10_000, 500, 100, [100] * 100),
        (1001, 500, 1, [334, 334, 333]),
        (2 * LEAST + 3, 500, 50, [LEAST + 2, LEAST + 1]),  # no more tasks than are worth their start
        (3, 500, 50, [3]),
        (3, 1, 1, [1, 1, 1]),
    ],
)
def test_a_group_is_cut_evenly(runs: int, most: int, tasks: int, sizes: list[int]) -> None:
    assert sizes_of(runs, most, tasks) == sizes


def test_groups_are_cut_with_losses_of_a_kind_side_by_side_and_the_rest_is_alone() -> None:
    clipped = ("trainer.precision", "bf16-mixed")
    other = ("model.hidden", [7])
    runs = [run(loss, seed) for seed in range(4) for loss in ("power", "spherical")]
    runs += [run("power", 0, clipped), run("power", 0, other), run("power", 0, ("study", "b"))]
    found = in_stacks(4)(runs, [], 1)
    assert sorted(map(sorted, found.stacks)) == [[0, 2, 4, 6], [1, 3, 5, 7], [9], [10]]
    ((reason, alone),) = found.alone.items()
    assert (reason.startswith("trainer.precision=bf16-mixed"), alone) == (True, [8])


def test_what_was_in_one_stack_stays_together() -> None:
    runs = [run("power", seed) for seed in range(6)]
    assert in_stacks(2)(runs, [[5, 1, 0]], 1).stacks == [[5, 1, 0], [2, 3], [4]]
