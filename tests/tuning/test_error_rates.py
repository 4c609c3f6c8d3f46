"""How often the verdict of a fair fight is wrong: losses on known surfaces, searched as real ones are."""

import math

import numpy as np
import pytest
from simulate_fair import BETTER, EQUAL, LOSSES, asking, edges, false_claims, found, naive_claims
from simulate_surfaces import World


def at_most(share: float, repeats: int) -> float:
    """The largest share that this many studies may show by chance (three standard errors)."""
    return share + 3 * math.sqrt(share * (1 - share) / repeats)


def check_equal(world: World, dimensions: int, T: int, R: int, repeats: int) -> None:
    either, twin = false_claims(world, dimensions, T, R, repeats, np.random.default_rng((dimensions, T, R)))
    print(f"{world}, {dimensions} settings, T {T}, R {R}: claims in {either:.4f}, of the twin in {twin:.4f}")
    assert either <= at_most(0.05, repeats)
    assert twin <= either


@pytest.mark.parametrize(
    ("world", "dimensions", "T", "R"),
    [
        (World(), 1, 16, 12),
        (World("t3"), 3, 24, 8),
        (World(collapse=0.1), 1, 8, 6),
        (World("discrete"), 2, 16, 10),
    ],
)
def test_equal_losses_seldom_differ_after_tuning(world: World, dimensions: int, T: int, R: int) -> None:
    check_equal(world, dimensions, T, R, 150)


@pytest.mark.slow
@pytest.mark.parametrize(("world", "dimensions", "T", "R"), EQUAL)
def test_equal_losses_seldom_differ_in_any_world(world: World, dimensions: int, T: int, R: int) -> None:
    check_equal(world, dimensions, T, R, 400)


def test_equal_losses_that_are_tuned_once_often_differ() -> None:
    stream = np.random.default_rng(1)
    assert naive_claims(World(), 3, 24, 12, LOSSES, 60, stream) > 0.5
    assert naive_claims(World(), 1, 16, 12, 2, 100, stream) > 0.12


@pytest.mark.parametrize(
    ("world", "R", "least"),
    [
        (*BETTER[1], 0.8),
        pytest.param(*BETTER[0], 0.64, marks=pytest.mark.slow),
        pytest.param(*BETTER[2], 0.3, marks=pytest.mark.slow),
    ],
)
def test_a_better_loss_is_found_after_tuning(world: World, R: int, least: float) -> None:
    repeats = 100
    effect, share = found(world, R, repeats, np.random.default_rng(R))
    print(f"{world}, R {R}: better by {effect:.2f} sd, found in {share:.2f}")
    assert 0.85 < effect < 1.15
    assert share >= 2 * least - at_most(least, repeats)


def test_whoever_tunes_again_and_again_is_seldom_wrong() -> None:
    repeats = 100
    paid, free = asking(repeats, np.random.default_rng(2))
    print(f"claims in {paid:.4f}, unpaid {free:.4f}")
    assert paid <= at_most(0.06, repeats)
    assert free > 0.1


def test_a_loss_whose_best_rate_lies_outside_the_range_is_not_called_worse() -> None:
    worse, said = edges(3.0, 40, np.random.default_rng(3))
    assert worse > 0.9
    assert said == 0
