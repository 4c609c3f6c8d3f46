"""Accuracies of frequent and rare classes: which class is in which third, and what is averaged."""

import numpy as np
import pytest
import torch

from lossbench.metrics.frequency import thirds
from lossbench.metrics.measure import estimates, metrics_of

COUNTS = torch.tensor([5, 90, 40, 40, 300, 7, 1])


def test_thirds_are_ranks_of_the_training_counts_and_the_lower_index_ranks_first_among_equals() -> None:
    assert thirds(COUNTS).tolist() == [2, 0, 0, 1, 0, 1, 2]  # 7 classes: 3, 2 and 2 of them
    assert torch.bincount(thirds(torch.arange(10))).tolist() == [4, 3, 3]
    both = thirds(torch.stack((COUNTS, -COUNTS)))
    assert both[0].tolist() == thirds(COUNTS).tolist() != both[1].tolist()


def test_each_third_is_the_mean_recall_of_its_classes_and_they_make_up_the_balanced_accuracy() -> None:
    generator = torch.Generator().manual_seed(3)
    target = torch.randint(7, (400,), generator=generator)
    logits = torch.randn(2, 400, 7, generator=generator) + 1.5 * torch.eye(7)[target]
    counts = torch.stack((COUNTS, COUNTS.flip(0)))  # of two replicates
    together = estimates(logits, target, train_counts=counts)
    for k, mine in enumerate(counts):
        alone = metrics_of(logits[k], target, train_counts=mine)
        right = (logits[k].argmax(1) == target).double()
        recall = np.array([right[target == c].mean().item() for c in range(7)])
        for third, name in enumerate(("head_accuracy", "middle_accuracy", "tail_accuracy")):
            assert alone[name].value == pytest.approx(recall[(thirds(mine) == third).numpy()].mean())
            assert together[name].value[k].item() == pytest.approx(alone[name].value)
            assert together[name].metrics()[k].half_width == pytest.approx(alone[name].half_width)
        whole = alone["head_accuracy"].value * 3 + (alone["middle_accuracy"].value + alone["tail_accuracy"].value) * 2
        assert whole / 7 == pytest.approx(alone["balanced_accuracy"].value)


def test_without_training_counts_and_of_two_classes_there_are_no_thirds() -> None:
    logits, target = torch.randn(20, 7), torch.arange(20) % 7
    assert "tail_accuracy" not in metrics_of(logits, target)
    assert "tail_accuracy" not in metrics_of(logits[:, :2], target % 2, train_counts=torch.tensor([9, 1]))


def test_a_third_without_a_tested_class_is_unknown() -> None:
    found = metrics_of(torch.randn(20, 7), torch.arange(20) % 3, train_counts=torch.tensor([9, 8, 7, 6, 5, 4, 3]))
    assert np.isnan(found["tail_accuracy"].value)
    assert found["tail_accuracy"].half_width is None
    assert found["head_accuracy"].half_width is not None
