"""The fitted scale against a grid, and where no scale is best."""

import pytest
import torch
from outputs import example
from torch import Tensor

from lossbench.metrics import scale as module
from lossbench.metrics.scale import fit_scale


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
