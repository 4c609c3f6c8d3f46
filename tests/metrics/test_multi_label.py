"""Metrics of examples with several labels against scikit-learn, and at their edges."""

import math
import warnings

import numpy as np
import pytest
import torch
from outputs import judge, normal
from sklearn import metrics as reference

from lossbench.metrics.measure import estimates

HOLDS = (normal(300, 5, seed=1) > torch.tensor([0.0, 0.5, 1, 1.5, 2])).double()
OUTPUT = ((normal(300, 5, seed=2) + 2 * HOLDS - 1) * 4).round() / 4  # many are equal


def test_they_agree_with_scikit_learn() -> None:
    found = judge("multi_label", OUTPUT, HOLDS)
    y, predicted = HOLDS.numpy(), OUTPUT.numpy() > 0
    assert found["accuracy"].value == pytest.approx(reference.accuracy_score(y, predicted))
    assert found["micro_f1"].value == pytest.approx(reference.f1_score(y, predicted, average="micro"))
    assert found["macro_f1"].value == pytest.approx(reference.f1_score(y, predicted, average="macro"))
    expected = reference.average_precision_score(y, OUTPUT.numpy(), average="macro")
    assert found["mean_average_precision"].value == pytest.approx(expected)


def test_a_label_that_no_example_has_is_left_out_of_the_average_precision_and_one_predicted_counts_for_f1() -> None:
    absent = torch.cat((HOLDS, torch.zeros(300, 1)), 1)
    precision = judge("multi_label", OUTPUT, HOLDS)["mean_average_precision"]
    found = judge("multi_label", torch.cat((OUTPUT, OUTPUT[:, :1]), 1), absent)
    assert found["mean_average_precision"].value == pytest.approx(precision.value)
    with warnings.catch_warnings(action="ignore"):
        predicted = np.concatenate((OUTPUT, OUTPUT[:, :1]), 1) > 0
        assert found["macro_f1"].value == pytest.approx(reference.f1_score(absent, predicted, average="macro"))


def test_no_label_at_all_and_one_example() -> None:
    found = judge("multi_label", -OUTPUT.abs() - 1, torch.zeros(300, 5))
    assert found["accuracy"].value == 1
    assert found["micro_f1"].value == found["macro_f1"].value == 0
    assert math.isnan(found["mean_average_precision"].value)
    alone = judge("multi_label", OUTPUT[:1], HOLDS[:1])
    assert {metric.half_width for metric in alone.values()} == {None}


def test_runs_are_judged_by_themselves_and_one_with_a_nan_has_no_value() -> None:
    spoilt = OUTPUT.clone()
    spoilt[3, 2] = math.nan
    together = estimates(torch.stack((OUTPUT, -OUTPUT, spoilt)), HOLDS, task="multi_label")
    for name, estimate in together.items():
        assert estimate.value[0].item() == pytest.approx(judge("multi_label", OUTPUT, HOLDS)[name].value)
        assert estimate.value[1].item() == pytest.approx(judge("multi_label", -OUTPUT, HOLDS)[name].value)
        assert math.isnan(estimate.value[2].item())


def test_each_run_may_have_targets_of_its_own() -> None:
    other = HOLDS.flip(0)
    together = estimates(torch.stack((OUTPUT, OUTPUT)), torch.stack((HOLDS, other)), task="multi_label")
    for name, estimate in together.items():
        assert estimate.value[0].item() == pytest.approx(judge("multi_label", OUTPUT, HOLDS)[name].value)
        assert estimate.value[1].item() == pytest.approx(judge("multi_label", OUTPUT, other)[name].value)
        assert estimate.half_width is None or estimate.half_width().shape == (2,)
