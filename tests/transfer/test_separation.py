"""Class separation against its definition, and at its ends."""

import math

import pytest
import torch
from torch.nn import functional as F

from lossbench.transfer.separation import class_separation


def naive(features: torch.Tensor, targets: torch.Tensor) -> float:
    """The definition, pair by pair."""
    unit = F.normalize(features.double(), dim=1)
    distance = 1 - unit @ unit.T
    of_class = [targets == k for k in targets.unique()]
    within = torch.stack([distance[k][:, k].mean() for k in of_class]).mean()
    total = torch.stack([distance[j][:, k].mean() for j in of_class for k in of_class]).mean()
    return float(1 - within / total)


def test_it_is_the_definition_whatever_the_sizes_of_the_classes() -> None:
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(60, 7, generator=generator)
    targets = torch.tensor([0] * 30 + [2] * 20 + [5] * 10)  # classes without examples between them
    features[:30, 0] += 3
    assert class_separation(features, targets) == pytest.approx(naive(features, targets), rel=1e-12)
    assert class_separation(8 * features, targets) == pytest.approx(class_separation(features, targets), rel=1e-6)


def test_one_direction_for_each_class_is_1_and_the_same_in_all_classes_is_0() -> None:
    corners, three = torch.eye(3).repeat(4, 1), torch.arange(3).repeat(4)
    assert class_separation(corners, three) == pytest.approx(1)
    assert class_separation(corners, torch.arange(4).repeat_interleave(3)) == pytest.approx(0, abs=1e-12)


def test_it_has_no_value_where_nothing_differs() -> None:
    assert math.isnan(class_separation(torch.ones(6, 4), torch.arange(2).repeat(3)))
