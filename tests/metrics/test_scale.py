"""The fitted scale against a grid, what the prior does with few examples, and where no scale is best."""

import math

import pytest
import torch
from outputs import example
from torch import Tensor

from lossbench.metrics import scale as module
from lossbench.metrics.measure import metrics_of
from lossbench.metrics.scale import fit_scale, fit_scales


def objective(logits: Tensor, target: Tensor, scale: float, expected: float, spread: float) -> float:
    nll = torch.nn.functional.cross_entropy(logits.double() * scale, target, reduction="sum").item()
    return nll + math.log(scale / expected) ** 2 / (2 * spread**2)


@pytest.mark.parametrize("prior", [(1.0, 0.5), (7.0, 1.0), (0.1, 0.2)])
@pytest.mark.parametrize("seed", range(5))
def test_fit_scale_finds_the_lowest_point_of_a_grid(seed: int, prior: tuple[float, float]) -> None:
    logits, target = example(200, 5, seed)
    logits = logits * 10.0 ** (seed - 2)
    grid = torch.logspace(-3, 3, 6001, dtype=torch.float64).tolist()
    best = min(grid, key=lambda s: objective(logits, target, s, *prior))
    scale = fit_scale(logits, target, *prior)
    assert scale == pytest.approx(best, rel=3e-3)
    assert objective(logits, target, scale, *prior) <= objective(logits, target, best, *prior) + 1e-12


@pytest.mark.parametrize(("n", "factor", "far"), [(100, 0.008, False), (100, 0.01, True), (400, 0.001, True)])
def test_a_minimum_near_the_start_is_left_for_a_lower_one(n: int, factor: float, far: bool) -> None:
    """Of logits near 0 the sum falls again beyond the prior's own minimum: to a lower one or not."""
    logits, target = example(n, 5)
    logits = logits * factor
    grid = torch.logspace(0, 3, 1501, dtype=torch.float64).tolist()
    heights = [objective(logits, target, s, 1.0, 0.5) for s in grid]
    valleys = [k for k in range(1, 1500) if heights[k] < min(heights[k - 1], heights[k + 1])]
    assert len(valleys) == 2
    best = grid[min(valleys, key=heights.__getitem__)]
    assert (best > 5) == far
    assert fit_scale(logits, target) == pytest.approx(best, rel=5e-3)


@pytest.mark.parametrize("factor", [0.01, 0.3, 5.0, 100.0])
def test_fit_scale_undoes_a_factor(factor: float) -> None:
    logits, target = example(2000, 6)
    scale = fit_scale(logits, target)
    assert scale == pytest.approx(0.5, rel=0.1)  # the targets were drawn from softmax(logits / 2)
    assert fit_scale(logits * factor, target, 1 / factor) == pytest.approx(fit_scale(logits, target) / factor, rel=1e-8)
    if 0.1 < factor < 10:  # of many examples the expected scale decides little
        assert fit_scale(logits * factor, target) == pytest.approx(scale / factor, rel=0.02)


def test_few_examples_that_are_all_right_do_not_make_a_model_sure() -> None:
    """60 of a model that is right in 90 of 100 cases, and knows it: without a prior the scale would be 1000."""
    logits = 2.2 * math.log(3) * torch.eye(3).repeat(20, 1)
    assert 1 <= fit_scale(logits, logits.argmax(1)) < 2.5
    sure = 30 * torch.eye(3).repeat(20, 1)
    assert fit_scale(sure, sure.argmax(1)) == pytest.approx(1, abs=1e-6)


def test_a_scale_from_few_examples_does_not_harm_a_calibrated_model() -> None:
    """Means over 40 draws of 60 examples, with the targets drawn from the model's own probabilities."""
    logits, target = example(20_000, 10, 3)
    logits = logits / 2  # the targets were drawn from softmax(logits / 2)
    test_logits, test_target = logits[10_000:], target[10_000:]
    raw = metrics_of(test_logits, test_target)["nll"].value
    extra = []
    for k in range(40):
        few = slice(60 * k, 60 * k + 60)
        scale = fit_scale(logits[few], target[few])
        extra.append(metrics_of(test_logits, test_target, scale=scale)["nll_scaled"].value - raw)
    assert sum(extra) / len(extra) < 0.007


def test_fit_scale_takes_few_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Tensor] = []
    derivatives = module._derivatives

    def counted(logits: Tensor, target: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
        calls.append(scale)
        return derivatives(logits, target, scale)

    monkeypatch.setattr(module, "_derivatives", counted)
    logits, target = example()
    for factor in (0.002, 0.05, 1.0, 20.0, 300.0):
        calls.clear()
        fit_scale(logits * factor, target)
        assert 3 <= len(calls) <= 20  # of logits near 0 there are two minima


def test_scales_of_several_runs_are_those_of_each_alone() -> None:
    """Some need few steps and some many, some have two minima, one has none and one is not finite."""
    factors = (0.001, 0.008, 0.05, 1.0, 20.0, 300.0, 0.0, math.nan)
    target = torch.stack([example(100, 5, seed)[1] for seed in range(8)])
    logits = torch.stack([example(100, 5, seed)[0] * factor for seed, factor in enumerate(factors)])
    priors = torch.linspace(0.5, 3.0, 8, dtype=torch.float64), torch.linspace(0.2, 0.9, 8, dtype=torch.float64)
    alone = [fit_scale(z, y, e.item(), d.item()) for z, y, e, d in zip(logits, target, *priors, strict=True)]
    assert fit_scales(logits, target, *priors).tolist() == pytest.approx(alone, rel=1e-9)
    shared = [fit_scale(z, target[0]) for z in logits]
    assert fit_scales(logits, target[0]).tolist() == pytest.approx(shared, rel=1e-9)


def test_fit_scale_ends_at_its_bounds() -> None:
    target = torch.arange(12) % 3
    misled = -1e4 * torch.nn.functional.one_hot(target, 3).double()
    assert fit_scale(1e4 * misled, target) == pytest.approx(1e-3)
    assert fit_scale(-1e-6 * misled, target, 1e6) == pytest.approx(1e3)


def test_fit_scale_of_constant_rows_is_the_expected_one() -> None:
    rows = torch.arange(5)[:, None].expand(5, 3).float()
    assert fit_scale(rows, torch.zeros(5, dtype=torch.int64)) == 1.0
    assert fit_scale(rows, torch.zeros(5, dtype=torch.int64), 7.0) == 7.0


def test_fit_scale_of_huge_logits_is_within_its_range() -> None:
    scale = fit_scale(1e4 * example()[0].sign(), example()[1])
    assert 1e-3 <= scale <= 1e3
