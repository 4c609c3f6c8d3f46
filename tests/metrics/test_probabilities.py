"""Probabilities and their calibration against naive loops, torchmetrics and the spread over splits."""

import math

import pytest
import torch
from outputs import example, values
from torch import Tensor
from torchmetrics.functional.classification import multiclass_accuracy, multiclass_calibration_error

from lossbench.metrics import probabilities
from lossbench.metrics.measure import metrics_of
from lossbench.metrics.scale import fit_scale


def naive_brier(logits: Tensor, target: Tensor) -> float:
    total = 0.0
    for row, y in zip(logits.softmax(1).tolist(), target.tolist(), strict=True):
        total += sum((p - (k == y)) ** 2 for k, p in enumerate(row))
    return total / len(target)


def naive_ece(logits: Tensor, target: Tensor) -> float:
    bins: list[list[tuple[float, bool]]] = [[] for _ in range(15)]
    for row, y in zip(logits.softmax(1).tolist(), target.tolist(), strict=True):
        bins[min(14, int(max(row) * 15))].append((max(row), row.index(max(row)) == y))
    gaps = [abs(sum(hit for _, hit in b) - sum(p for p, _ in b)) for b in bins]
    return sum(gaps) / len(target)


@pytest.mark.parametrize("classes", [2, 8, 40])
def test_agrees_with_naive_loops_and_torchmetrics(classes: int) -> None:
    logits, target = example(classes=classes)
    got = values(logits, target, scale=0.5)
    assert got["brier"] == pytest.approx(naive_brier(logits, target))
    assert got["ece"] == pytest.approx(naive_ece(logits, target))
    assert got["brier_scaled"] == pytest.approx(naive_brier(logits / 2, target))
    assert got["ece_scaled"] == pytest.approx(naive_ece(logits / 2, target))
    assert got["nll_scaled"] == pytest.approx(torch.nn.functional.cross_entropy(logits / 2, target).item())
    assert got["accuracy"] == pytest.approx(multiclass_accuracy(logits, target, classes, average="micro").item())
    assert got["ece"] == pytest.approx(multiclass_calibration_error(logits, target, classes).item(), abs=1e-6)


def test_certainty_shares_the_last_bin() -> None:
    # A confidence of 1, wrong, and one of 0.95, right: (1 + 0.95 - 1) / 2 together, (1 + 0.05) / 2 if kept apart.
    logits = torch.tensor([[0.0, -2000.0], [0.95, 0.05]], dtype=torch.float64)
    logits[1] = logits[1].log()
    assert values(logits, torch.tensor([1, 0]))["ece"] == pytest.approx(0.475)


def test_certain_and_right_everywhere() -> None:
    target = torch.arange(30) % 3
    got = metrics_of(1e4 * torch.nn.functional.one_hot(target).float(), target)
    expected = {
        "accuracy": 1,
        "error_rate": 0,
        "balanced_accuracy": 1,
        "macro_f1": 1,
        "worst_class": 1,
        "nll": 0,
        "brier": 0,
        "ece": 0,
        "true_class_probability": 1,
    }
    assert {name: metric.value for name, metric in got.items()} == pytest.approx(expected, abs=1e-12)
    assert math.copysign(1, got["nll"].value) == 1
    # 30 of 30: Wilson's interval is 0.8865..1.
    assert got["accuracy"].half_width == pytest.approx((1 - 0.8865) / 2, abs=1e-4)
    assert got["balanced_accuracy"].half_width


def test_fitted_scale_lowers_the_nll_and_the_calibration_error() -> None:
    logits, target = example(2000, 6)
    got = values(logits, target, scale=fit_scale(logits, target))
    assert got["nll_scaled"] < got["nll"]
    assert got["ece_scaled"] < got["ece"] / 3


@pytest.mark.parametrize("scale", [0.5, 1.0])  # well calibrated, too sure
def test_ece_interval_matches_the_spread_over_splits(scale: float) -> None:
    logits, target = example(100 * 500, 4)
    logits = logits * scale
    metrics = [metrics_of(z, y)["ece"] for z, y in zip(logits.split(500), target.split(500), strict=True)]
    spread = 1.96 * torch.tensor([metric.value for metric in metrics]).std().item()
    half_widths = torch.tensor([metric.half_width or 0.0 for metric in metrics])
    assert half_widths.mean().item() == pytest.approx(spread, rel=0.25)


def test_a_gpu_sums_each_bin_without_scatter_add(monkeypatch: pytest.MonkeyPatch) -> None:
    bins, gap = torch.randint(15, (3, 200)), torch.rand(3, 200, dtype=torch.float64)
    wanted = probabilities._sums(bins, gap)
    monkeypatch.setattr(Tensor, "scatter_add_", None)
    torch.testing.assert_close(probabilities._sums_on_gpu(bins, gap), wanted, rtol=1e-12, atol=0)
