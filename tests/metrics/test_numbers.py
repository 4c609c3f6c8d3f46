"""Metrics of numbers, vectors, distributions and counts against torchmetrics."""

import math

import pytest
import torch
import torchmetrics.functional as reference
from outputs import judge, normal

TARGET = normal(400, 3, seed=1)
OUTPUT = TARGET + 0.5 * normal(400, 3, seed=2).exp()


def test_regression_agrees_with_torchmetrics() -> None:
    found = judge("regression", OUTPUT, TARGET)
    assert found["mae"].value == pytest.approx(reference.mean_absolute_error(OUTPUT, TARGET).item(), rel=1e-6)
    assert found["rmse"].value == pytest.approx(
        reference.mean_squared_error(OUTPUT, TARGET, squared=False).item(), rel=1e-6
    )
    assert found["r2"].value == pytest.approx(reference.r2_score(OUTPUT, TARGET).item(), rel=1e-6)
    assert {name: m.value for name, m in judge("regression", OUTPUT[:, 0], TARGET[:, 0]).items()} == {
        name: m.value for name, m in judge("regression", OUTPUT[:, :1], TARGET[:, :1]).items()
    }


def test_a_target_that_never_varies_has_an_r2_too() -> None:
    ones = torch.ones(4, 1)
    assert judge("regression", ones, ones)["r2"].value == 1
    assert judge("regression", 2 * ones, ones)["r2"].value == 0
    assert all(
        metric.half_width is not None and math.isfinite(metric.half_width)
        for metric in judge("regression", ones, ones).values()
    )


def test_angles_are_exact_where_an_arccosine_is_not() -> None:
    found = judge("vectors", OUTPUT, TARGET)["angle"]
    cos = reference.cosine_similarity(OUTPUT, TARGET, reduction="none")
    assert found.value == pytest.approx(torch.rad2deg(torch.arccos(cos)).mean().item(), rel=1e-6)
    tiny = torch.tensor([[1.0, 1e-7]])
    assert judge("vectors", tiny, torch.tensor([[3.0, 0.0]]))["angle"].value == pytest.approx(
        math.degrees(1e-7), rel=1e-6
    )
    assert judge("vectors", tiny, torch.tensor([[-3.0, 0.0]]))["angle"].value == pytest.approx(
        180 - math.degrees(1e-7), rel=1e-12
    )


def test_distributions_and_counts_agree_with_torchmetrics() -> None:
    t = TARGET.softmax(1)
    found = judge("distribution", OUTPUT, t)
    assert found["kl"].value == pytest.approx(reference.kl_divergence(t, OUTPUT.softmax(1)).item(), rel=1e-6)
    assert judge("distribution", t.log(), t)["kl"].value == pytest.approx(0, abs=1e-12)
    assert judge("distribution", torch.tensor([[0.0, 0.0]]), torch.tensor([[1.0, 0.0]]))["total_variation"].value == 0.5
    counts = torch.poisson(TARGET.exp(), torch.Generator().manual_seed(0))
    deviance = reference.tweedie_deviance_score(OUTPUT.exp().flatten(), counts.flatten(), power=1).item()
    assert judge("count", OUTPUT, counts)["deviance"].value == pytest.approx(deviance, rel=1e-6)
