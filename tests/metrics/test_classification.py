"""Accuracies and F1 against scikit-learn, torchmetrics, examples by hand and simulation."""

import math

import numpy as np
import pytest
import torch
from outputs import covered, example, normal, values
from sklearn import metrics as reference

from lossbench.metrics.measure import estimates, metrics_of


@pytest.mark.parametrize(("n", "classes"), [(400, 8), (50, 2), (7, 6), (300, 40)])
def test_agrees_with_scikit_learn(n: int, classes: int) -> None:
    logits, target = example(n, classes)
    p, y, predicted = logits.softmax(1).numpy(), target.numpy(), logits.argmax(1).numpy()
    got = values(logits, target)
    assert got["accuracy"] == pytest.approx(reference.accuracy_score(y, predicted))
    assert got["error_rate"] == pytest.approx(reference.zero_one_loss(y, predicted))
    recalls = reference.recall_score(y, predicted, labels=np.unique(y), average="macro")
    assert got["balanced_accuracy"] == pytest.approx(recalls)
    assert got["nll"] == pytest.approx(reference.log_loss(y, p, labels=range(classes)))
    assert got["true_class_probability"] == pytest.approx(p[np.arange(n), y].mean())
    if classes > 5:
        assert got["top5_accuracy"] == pytest.approx(reference.top_k_accuracy_score(y, p, k=5, labels=range(classes)))


def test_balanced_accuracy_agrees_with_scikit_learn_on_uneven_classes() -> None:
    logits, target = example(500, 5)
    logits, target = (
        logits[(target != 3) | (torch.arange(500) % 10 == 0)],
        target[(target != 3) | (torch.arange(500) % 10 == 0)],
    )
    got = values(logits, target)
    assert got["balanced_accuracy"] == pytest.approx(reference.balanced_accuracy_score(target, logits.argmax(1)))
    assert got["balanced_accuracy"] != pytest.approx(got["accuracy"], abs=1e-3)


def test_small_example_by_hand() -> None:
    p = torch.tensor([[0.7, 0.2, 0.1], [0.3, 0.6, 0.1], [0.1, 0.1, 0.8], [0.5, 0.3, 0.2]], dtype=torch.float64)
    got = metrics_of(p.log(), torch.tensor([0, 1, 2, 1]))
    expected = {
        "accuracy": 0.75,
        "error_rate": 0.25,
        "balanced_accuracy": (1 + 0.5 + 1) / 3,
        "macro_f1": (2 / 3 + 2 / 3 + 1) / 3,
        "worst_class": 0.5,
        "nll": -(math.log(0.7) + math.log(0.6) + math.log(0.8) + math.log(0.3)) / 4,
        "brier": (0.14 + 0.26 + 0.06 + 0.78) / 4,
        "ece": (0.3 + 0.4 + 0.2 + 0.5) / 4,
        "true_class_probability": 0.6,
    }
    assert list(got) == list(expected)
    assert {name: metric.value for name, metric in got.items()} == pytest.approx(expected)
    # Wilson's interval of 3 in 4 is 0.3006..0.9544; sd of (0.7, 0.6, 0.8, 0.3) is 0.21602.
    assert got["accuracy"].half_width == pytest.approx((0.9544 - 0.3006) / 2, abs=1e-4)
    assert got["error_rate"].half_width == got["accuracy"].half_width
    assert got["true_class_probability"].half_width == pytest.approx(1.96 * 0.21602 / 2, abs=1e-4)


def test_decimal_fractions_are_exact() -> None:
    target = torch.zeros(10, dtype=torch.int64)
    logits = torch.tensor([[1.0, 0.0]] * 9 + [[0.0, 1.0]])
    assert (values(logits, target)["accuracy"], values(logits, target)["error_rate"]) == (0.9, 0.1)


def test_top5_appears_only_above_five_classes() -> None:
    assert "top5_accuracy" not in values(*example(classes=5))
    assert "top5_accuracy" in values(*example(classes=6))


def test_a_class_absent_from_target_is_left_out_of_balanced_accuracy() -> None:
    # Class 2 neither occurs nor is predicted, class 3 is predicted but does not occur.
    logits = torch.eye(4)[[0, 0, 1, 3, 3]]
    got = metrics_of(logits, torch.tensor([0, 0, 1, 1, 1]))
    assert got["balanced_accuracy"].value == pytest.approx((1 + 1 / 3) / 2)
    assert got["accuracy"].value == pytest.approx(3 / 5)


def test_one_class_gives_balanced_accuracy_the_interval_of_accuracy() -> None:
    logits, _ = example(60, 4)
    got = metrics_of(logits, torch.full((60,), 2))
    assert got["balanced_accuracy"].value == pytest.approx(got["accuracy"].value)
    assert got["balanced_accuracy"].half_width == pytest.approx(got["accuracy"].half_width, rel=0.01)


def test_balanced_accuracy_is_as_sure_as_its_small_classes_allow() -> None:
    target = torch.tensor([0] * 20 + [2] * 5)
    metric = metrics_of(torch.nn.functional.one_hot(target).float(), target)["balanced_accuracy"]
    # 2^2 / (1/20 + 1/5) = 16 examples count; Wilson's interval of 16 in 16 is 0.8064..1.
    assert metric.value == 1
    assert metric.half_width == pytest.approx((1 - 0.8064) / 2, abs=1e-4)


def test_ties_go_to_the_lower_index() -> None:
    got = values(torch.zeros(8, 8), torch.arange(8))
    assert (got["accuracy"], got["top5_accuracy"], got["balanced_accuracy"]) == (1 / 8, 5 / 8, 1 / 8)
    assert got["ece"] == pytest.approx(0, abs=1e-12)
    for label, hits in [(0, (1, 1)), (4, (0, 1)), (5, (0, 0))]:
        got = values(torch.zeros(3, 8), torch.full((3,), label))
        assert (got["accuracy"], got["top5_accuracy"]) == hits


@pytest.mark.parametrize(("n", "truth"), [(200, 0.9), (100, 0.6)])
def test_accuracy_interval_covers_the_truth(n: int, truth: float) -> None:
    generator = torch.Generator().manual_seed(1)
    hits = torch.rand(600, n, generator=generator) < truth
    logits = torch.stack([hits, ~hits], dim=-1).float()
    target = torch.zeros(n, dtype=torch.int64)
    coverage = sum(covered(metrics_of(z, target)["accuracy"], truth) for z in logits) / 600
    assert 0.92 < coverage < 0.98


@pytest.mark.parametrize(
    ("sizes", "truths"),
    [
        ([200, 40, 20], [0.9, 0.7, 0.5]),
        ([10] * 40, [0.8] * 40),
        ([2] * 100, [0.7] * 100),
        ([1] * 100, [0.8] * 100),
        ([30] * 6, [0.95] * 6),
    ],
)
def test_balanced_accuracy_interval_covers_the_truth(sizes: list[int], truths: list[float]) -> None:
    generator = torch.Generator().manual_seed(2)
    target = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
    hits = torch.rand(400, len(target), generator=generator) < torch.tensor(truths)[target]
    predicted = torch.where(hits, target, (target + 1) % len(sizes))
    logits = torch.nn.functional.one_hot(predicted, len(sizes)).float()
    metrics = [metrics_of(z, target)["balanced_accuracy"] for z in logits]
    assert 0.92 < sum(covered(metric, sum(truths) / len(truths)) for metric in metrics) / 400 < 0.98


def test_macro_f1_of_each_run_agrees_with_scikit_learn() -> None:
    logits, target = normal(2, 60, 5), torch.randint(4, (60,), generator=torch.Generator().manual_seed(3))
    logits[1, :, 2] = -9  # never predicted
    stacked = estimates(logits, target)["macro_f1"].value
    for z, together in zip(logits, stacked.tolist(), strict=True):
        alone = metrics_of(z, target)["macro_f1"].value
        assert alone == pytest.approx(reference.f1_score(target, z.argmax(1), average="macro"), rel=1e-9)
        assert together == pytest.approx(alone, rel=1e-12)


def test_the_worst_class_of_each_run_is_its_lowest_recall_with_the_interval_of_that_class() -> None:
    logits, target = normal(2, 60, 5), torch.randint(4, (60,), generator=torch.Generator().manual_seed(3))
    logits[1, :, 2] = -9  # never predicted: no example of class 2 is right
    for z, together in zip(logits, estimates(logits, target)["worst_class"].value.tolist(), strict=True):
        recalls = reference.recall_score(target, z.argmax(1), labels=np.unique(target), average=None)
        assert together == metrics_of(z, target)["worst_class"].value == pytest.approx(min(recalls))
    lost = metrics_of(logits[1], target)["worst_class"]
    n = int((target == 2).sum())
    assert (lost.value, lost.half_width) == (0, pytest.approx(1.96**2 / (2 * n) / (1 + 1.96**2 / n)))
