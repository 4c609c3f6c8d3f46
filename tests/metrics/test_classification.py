"""Metrics against scikit-learn, torchmetrics, naive loops and simulation."""

import math

import numpy as np
import pytest
import torch
from sklearn import metrics as reference
from torch import Tensor
from torchmetrics.functional.classification import multiclass_accuracy, multiclass_calibration_error

import lossbench.metrics.classification as module
from lossbench.metrics.classification import classification_metrics, fit_scale
from lossbench.metrics.intervals import Metric, interval_of_mean

ALWAYS = ["accuracy", "error_rate", "balanced_accuracy", "macro_f1", "nll", "brier", "ece", "true_class_probability"]
SCALED = ["nll_scaled", "brier_scaled", "ece_scaled"]


def example(n: int = 400, classes: int = 8, seed: int = 0, spread: float = 2.0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = spread * torch.randn(n, classes, generator=generator, dtype=torch.float64)
    drawn = torch.multinomial((logits / 2).softmax(1), 1, generator=generator).squeeze(1)
    return logits, drawn


def values(logits: Tensor, target: Tensor, scale: float | None = None) -> dict[str, float]:
    return {name: metric.value for name, metric in classification_metrics(logits, target, scale=scale).items()}


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


def test_small_example_by_hand() -> None:
    p = torch.tensor([[0.7, 0.2, 0.1], [0.3, 0.6, 0.1], [0.1, 0.1, 0.8], [0.5, 0.3, 0.2]], dtype=torch.float64)
    got = classification_metrics(p.log(), torch.tensor([0, 1, 2, 1]))
    assert list(got) == ALWAYS
    expected = {
        "accuracy": 0.75,
        "error_rate": 0.25,
        "balanced_accuracy": (1 + 0.5 + 1) / 3,
        "macro_f1": (2 / 3 + 2 / 3 + 1) / 3,
        "nll": -(math.log(0.7) + math.log(0.6) + math.log(0.8) + math.log(0.3)) / 4,
        "brier": (0.14 + 0.26 + 0.06 + 0.78) / 4,
        "ece": (0.3 + 0.4 + 0.2 + 0.5) / 4,
        "true_class_probability": 0.6,
    }
    assert {name: metric.value for name, metric in got.items()} == pytest.approx(expected)
    # Wilson's interval of 3 in 4 is 0.3006..0.9544; sd of (0.7, 0.6, 0.8, 0.3) is 0.21602.
    assert got["accuracy"].half_width == pytest.approx((0.9544 - 0.3006) / 2, abs=1e-4)
    assert got["error_rate"].half_width == got["accuracy"].half_width
    assert got["true_class_probability"].half_width == pytest.approx(1.96 * 0.21602 / 2, abs=1e-4)


def test_decimal_fractions_are_exact() -> None:
    target = torch.zeros(10, dtype=torch.int64)
    logits = torch.tensor([[1.0, 0.0]] * 9 + [[0.0, 1.0]])
    assert (values(logits, target)["accuracy"], values(logits, target)["error_rate"]) == (0.9, 0.1)


def test_float32_agrees_with_float64() -> None:
    logits, target = example()
    double, single = (classification_metrics(z, target, scale=0.7) for z in (logits, logits.float()))
    assert {k: m.value for k, m in single.items()} == pytest.approx({k: m.value for k, m in double.items()}, rel=1e-5)
    assert values(logits.bfloat16(), target)["nll"] == values(logits.bfloat16().float(), target)["nll"]


def test_does_not_depend_on_the_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    logits, target = example()
    whole, scale = classification_metrics(logits, target, scale=0.7), fit_scale(logits, target)
    monkeypatch.setattr("lossbench.metrics.classification._CHUNK", 30)
    pieces = classification_metrics(logits, target, scale=0.7)
    assert pieces == whole
    assert fit_scale(logits, target) == pytest.approx(scale, rel=1e-9)


def test_leaves_the_logits_alone_and_repeats_itself() -> None:
    logits, target = example()
    before = logits.clone()
    torch.manual_seed(0)
    first = classification_metrics(logits, target, scale=2.0)
    torch.manual_seed(1)
    state = torch.get_rng_state()
    assert classification_metrics(logits, target, scale=2.0) == first
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(logits, before)


# Edge cases


@pytest.mark.parametrize("classes", [2, 6])
def test_one_example_has_values_and_no_intervals(classes: int) -> None:
    got = classification_metrics(torch.arange(classes)[None].float(), torch.tensor([0]), scale=2.0)
    assert all(math.isfinite(metric.value) and metric.half_width is None for metric in got.values())
    assert got["accuracy"].value == 0
    assert got["top5_accuracy"].value == 0 if classes == 6 else "top5_accuracy" not in got


def test_top5_appears_only_above_five_classes() -> None:
    assert "top5_accuracy" not in values(*example(classes=5))
    assert list(classification_metrics(*example(classes=6), scale=1.0)) == [
        ALWAYS[0],
        "top5_accuracy",
        *ALWAYS[1:],
        *SCALED,
    ]


def test_a_class_absent_from_target_is_left_out_of_balanced_accuracy() -> None:
    logits = torch.eye(4)[
        [0, 0, 1, 3, 3]
    ]  # class 2 neither occurs nor is predicted, class 3 is predicted but does not occur
    got = classification_metrics(logits, torch.tensor([0, 0, 1, 1, 1]))
    assert got["balanced_accuracy"].value == pytest.approx((1 + 1 / 3) / 2)
    assert got["accuracy"].value == pytest.approx(3 / 5)


def test_one_class_gives_balanced_accuracy_the_interval_of_accuracy() -> None:
    logits, _ = example(60, 4)
    got = classification_metrics(logits, torch.full((60,), 2))
    assert got["balanced_accuracy"].value == pytest.approx(got["accuracy"].value)
    assert got["balanced_accuracy"].half_width == pytest.approx(got["accuracy"].half_width, rel=0.01)


def test_balanced_accuracy_is_as_sure_as_its_small_classes_allow() -> None:
    target = torch.tensor([0] * 20 + [2] * 5)
    metric = classification_metrics(torch.nn.functional.one_hot(target).float(), target)["balanced_accuracy"]
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


def test_certainty_shares_the_last_bin() -> None:
    # A confidence of exactly 1, wrong, and one of 0.95, right: (1 + 0.95 - 1) / 2 together, (1 + 0.05) / 2 if kept apart.
    logits = torch.tensor([[0.0, -2000.0], [0.95, 0.05]], dtype=torch.float64)
    logits[1] = logits[1].log()
    assert values(logits, torch.tensor([1, 0]))["ece"] == pytest.approx(0.475)


def test_certain_and_right_everywhere() -> None:
    target = torch.arange(30) % 3
    got = classification_metrics(1e4 * torch.nn.functional.one_hot(target).float(), target)
    expected = {
        "accuracy": 1,
        "error_rate": 0,
        "balanced_accuracy": 1,
        "macro_f1": 1,
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


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("scale", [None, 1e-3, 1e3])
def test_huge_logits_stay_finite(dtype: torch.dtype, scale: float | None) -> None:
    logits = 1e4 * torch.sign(example()[0]).to(dtype)
    got = classification_metrics(logits, example()[1], scale=scale)
    assert all(math.isfinite(metric.value) and math.isfinite(metric.half_width or 0) for metric in got.values())
    assert 0 < got["nll"].value < 2e4


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_logits_that_are_not_finite_have_no_metrics(bad: float) -> None:
    logits, target = example()
    names = list(classification_metrics(logits, target, scale=1.0))
    logits[17, 3] = bad
    got = classification_metrics(logits, target, scale=1.0)
    assert list(got) == names
    assert all(math.isnan(metric.value) and metric.half_width is None for metric in got.values())
    assert fit_scale(logits, target) == 1.0


def test_wrong_input_is_named() -> None:
    logits, target = example(10, 3)
    with pytest.raises(ValueError, match=r"scale must be > 0, got -1"):
        classification_metrics(logits, target, scale=-1)
    with pytest.raises(ValueError, match=r"target must have shape \(10,\), got \(9,\)"):
        classification_metrics(logits, target[:9])
    with pytest.raises(ValueError, match=r"target must be within 0\.\.2, got .*\.\.3"):
        fit_scale(logits, target.clone().index_fill_(0, torch.tensor([4]), 3))
    for shape in ((0, 3), (10, 1), (10,)):
        with pytest.raises(ValueError, match="logits must have shape"):
            classification_metrics(torch.zeros(shape), target)


# Intervals


@pytest.mark.parametrize(
    ("values_", "mean", "half_width"), [([2.0], 2.0, None), ([1.0, 3.0], 2.0, 1.96), ([4.0] * 5, 4.0, 0.0)]
)
def test_interval_of_mean(values_: list[float], mean: float, half_width: float | None) -> None:
    got = interval_of_mean(torch.tensor(values_))
    assert got.value == mean
    assert got.half_width == (None if half_width is None else pytest.approx(half_width))


def test_interval_of_mean_of_odd_values() -> None:
    assert interval_of_mean(torch.tensor([1.0, math.inf])) == Metric(math.inf, None)
    for empty in (torch.zeros(0), torch.zeros(2, 2)):
        with pytest.raises(ValueError, match="values must have shape"):
            interval_of_mean(empty)


def covered(metric: Metric, truth: float) -> bool:
    assert metric.half_width is not None
    return abs(metric.value - truth) <= metric.half_width


@pytest.mark.parametrize(("n", "truth"), [(200, 0.9), (100, 0.6)])
def test_accuracy_interval_covers_the_truth(n: int, truth: float) -> None:
    generator = torch.Generator().manual_seed(1)
    hits = torch.rand(600, n, generator=generator) < truth
    logits = torch.stack([hits, ~hits], dim=-1).float()
    target = torch.zeros(n, dtype=torch.int64)
    coverage = sum(covered(classification_metrics(z, target)["accuracy"], truth) for z in logits) / 600
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
    metrics = [classification_metrics(z, target)["balanced_accuracy"] for z in logits]
    assert 0.92 < sum(covered(metric, sum(truths) / len(truths)) for metric in metrics) / 400 < 0.98


def test_mean_intervals_cover_the_truth() -> None:
    generator = torch.Generator().manual_seed(3)
    values_ = torch.rand(600, 100, generator=generator)
    assert 0.92 < sum(covered(interval_of_mean(v), 0.5) for v in values_) / 600 < 0.98


@pytest.mark.parametrize("scale", [0.5, 1.0])  # well calibrated, too sure
def test_ece_interval_matches_the_spread_over_splits(scale: float) -> None:
    logits, target = example(100 * 500, 4)
    logits = logits * scale
    metrics = [classification_metrics(z, y)["ece"] for z, y in zip(logits.split(500), target.split(500), strict=True)]
    spread = 1.96 * torch.tensor([metric.value for metric in metrics]).std().item()
    half_widths = torch.tensor([metric.half_width or 0.0 for metric in metrics])
    assert half_widths.mean().item() == pytest.approx(spread, rel=0.25)


# The scale


def mean_nll(logits: Tensor, target: Tensor, scale: float) -> float:
    return torch.nn.functional.cross_entropy(logits * scale, target).item()


@pytest.mark.parametrize("seed", range(5))
def test_fit_scale_finds_the_lowest_point_of_a_grid(seed: int) -> None:
    logits, target = example(200, 5, seed)
    logits = logits * 10.0 ** (seed - 2)
    grid = torch.logspace(-3, 3, 6001, dtype=torch.float64).tolist()
    best = min(grid, key=lambda s: mean_nll(logits, target, s))
    scale = fit_scale(logits, target)
    assert scale == pytest.approx(best, rel=3e-3)
    assert mean_nll(logits, target, scale) <= mean_nll(logits, target, best) + 1e-15


@pytest.mark.parametrize("factor", [0.01, 0.3, 5.0, 100.0])
def test_fit_scale_undoes_a_factor(factor: float) -> None:
    logits, target = example(2000, 6)
    scale = fit_scale(logits, target)
    assert scale == pytest.approx(0.5, rel=0.1)  # the targets were drawn from softmax(logits / 2)
    assert fit_scale(logits * factor, target) == pytest.approx(scale / factor, rel=1e-8)


def test_fitted_scale_lowers_the_nll_and_the_calibration_error() -> None:
    logits, target = example(2000, 6)
    got = values(logits, target, scale=fit_scale(logits, target))
    assert got["nll_scaled"] < got["nll"]
    assert got["ece_scaled"] < got["ece"] / 3


def test_fit_scale_takes_few_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[float] = []
    derivatives = module._derivatives

    def counted(logits: Tensor, target: Tensor, scale: float) -> tuple[float, float]:
        calls.append(scale)
        return derivatives(logits, target, scale)

    monkeypatch.setattr(module, "_derivatives", counted)
    logits, target = example()
    for factor in (0.002, 0.05, 1.0, 20.0, 300.0):
        calls.clear()
        fit_scale(logits * factor, target)
        assert 3 <= len(calls) <= 15


@pytest.mark.parametrize("size", [1.0, 1e4])
def test_fit_scale_ends_at_its_bounds(size: float) -> None:
    target = torch.arange(12) % 3
    right = size * torch.nn.functional.one_hot(target, 3).double()
    assert fit_scale(right, target) == 1e3
    assert fit_scale(-right, target) == 1e-3
    assert fit_scale(right[:1], target[:1]) == 1e3


def test_fit_scale_of_constant_rows_is_one() -> None:
    assert fit_scale(torch.arange(5)[:, None].expand(5, 3).float(), torch.zeros(5, dtype=torch.int64)) == 1.0


def test_fit_scale_of_huge_logits_is_within_its_range() -> None:
    scale = fit_scale(1e4 * example()[0].sign(), example()[1])
    assert 1e-3 <= scale <= 1e3
