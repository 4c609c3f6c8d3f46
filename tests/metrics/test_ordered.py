"""Metrics of classes in order against scikit-learn, and what is predicted."""

import math

import numpy as np
import pytest
import torch
from outputs import judge, normal
from sklearn import metrics as reference

from lossbench.config import rules
from lossbench.data import split
from lossbench.metrics import registry
from lossbench.metrics.measure import estimates
from lossbench.metrics.ordered_classes import OrderedClasses

TARGET = torch.randint(5, (300,), generator=torch.Generator().manual_seed(4))
OUTPUT = normal(300, 5, seed=5) - (torch.arange(5) - TARGET[:, None]).abs()


def test_they_agree_with_scikit_learn_of_the_median() -> None:
    found = judge("ordinal", OUTPUT, TARGET)
    predicted = np.array([np.searchsorted(np.cumsum(p), 0.5) for p in OUTPUT.double().softmax(1).numpy()])
    assert (predicted != OUTPUT.argmax(1).numpy()).sum() > 20
    assert found["mae"].value == pytest.approx(reference.mean_absolute_error(TARGET, predicted))
    kappa = reference.cohen_kappa_score(TARGET, predicted, weights="quadratic")
    assert found["quadratic_kappa"].value == pytest.approx(kappa)
    assert found["within_one_accuracy"].value == pytest.approx((np.abs(predicted - TARGET.numpy()) <= 1).mean())
    assert found["accuracy"].value == pytest.approx((OUTPUT.argmax(1) == TARGET).double().mean().item())
    assert next(iter(found)) == "mae"  # stands for the task


def test_the_median_is_of_the_scaled_probabilities_and_the_least_expected_error() -> None:
    cosines = OUTPUT / OUTPUT.norm(dim=1, keepdim=True)
    raw, scaled = (OrderedClasses(cosines[None], TARGET, scale).median for scale in (None, 12.0))
    assert (raw != scaled).any()
    p = (12 * cosines).double().softmax(1)
    errors = (torch.arange(5)[:, None] - torch.arange(5)).abs().double()
    assert torch.equal(scaled[0], (p @ errors).argmin(1))


def test_one_class_has_no_kappa_and_a_constant_prediction_a_kappa_of_0() -> None:
    same = torch.tensor([[9.0, 0, 0]]).expand(6, 3)
    assert math.isnan(judge("ordinal", same, torch.zeros(6, dtype=torch.int64))["quadratic_kappa"].value)
    assert judge("ordinal", same, torch.arange(6) % 3)["quadratic_kappa"].value == 0


def test_each_run_may_have_targets_of_its_own() -> None:
    other = TARGET.flip(0)
    together = estimates(torch.stack((OUTPUT, OUTPUT)), torch.stack((TARGET, other)), task="ordinal")
    for name, estimate in together.items():
        for value, target in zip(estimate.value.tolist(), (TARGET, other), strict=True):
            assert value == pytest.approx(judge("ordinal", OUTPUT, target)[name].value)


def test_all_rooms_mean_the_same_tasks() -> None:
    assert rules.ONE_CLASS == split.ONE_CLASS == registry.ONE_CLASS
