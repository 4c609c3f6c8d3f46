"""Intervals of replicates of one pool hold on new data of the same kind: learners whose true difference is known."""

import math

import numpy as np
import pytest
from simulate_pools import SCENES, Coverage, cover, true_difference


def check(found: Coverage, pools: int) -> None:
    print(found)
    assert found.covered >= 0.92 - 2.5 * math.sqrt(0.92 * 0.08 / pools)
    assert found.width <= 0.75 * found.nadeau_bengio


@pytest.mark.parametrize("scene", ["ridge against LDA", "the same, noisy training"])
def test_intervals_cover_the_true_difference(scene: str) -> None:
    stream = np.random.default_rng(1)
    truth = true_difference(scene, 150, stream)
    (found,) = cover(scene, truth, (10,), 50, stream)
    check(found, 50)
    assert found.covered >= found.plain_covered


@pytest.mark.slow
@pytest.mark.parametrize("scene", SCENES)
def test_intervals_cover_the_true_difference_in_every_scene(scene: str) -> None:
    stream = np.random.default_rng(2)
    truth = true_difference(scene, 1000, stream)
    for found in cover(scene, truth, (10, 20), 400, stream):
        check(found, 400)
