"""Pairs and triplets that are judged rightly, counted by hand."""

import pytest
import torch
from outputs import judge


def test_pairs_and_triplets_are_counted() -> None:
    y = torch.tensor([1.0, 1, -1, -1])
    assert judge("ranking", torch.tensor([[2.0, 1], [1, 1], [1, 2], [2, 1]]), y)["pair_accuracy"].value == 0.5
    east, north = torch.tensor([1.0, 0]), torch.tensor([0.0, 1])
    pairs = torch.stack([torch.stack(pair) for pair in ((east, east), (east, north), (east, north), (east, 3 * east))])
    found = judge("similarity", pairs, y)
    assert found["pair_accuracy"].value == 0.5
    assert found["angle_similar"].value == pytest.approx(45)
    assert "angle_similar" not in judge("similarity", pairs[2:], y[2:])
    triplets = torch.stack(
        [torch.stack(three) for three in ((east, east, north), (east, north, east), (east, east, east))]
    )
    assert judge("triplets", triplets, torch.ones(3))["pair_accuracy"].value == pytest.approx(1 / 3)
