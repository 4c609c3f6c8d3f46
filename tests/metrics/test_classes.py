"""Odd logits, and those of many runs at once."""

import math

import pytest
import torch
from outputs import example, values

from lossbench.metrics import classes
from lossbench.metrics.measure import estimates, metrics_of
from lossbench.metrics.scale import fit_scale


def test_float32_agrees_with_float64() -> None:
    logits, target = example()
    double, single = (metrics_of(z, target, scale=0.7) for z in (logits, logits.float()))
    assert {k: m.value for k, m in single.items()} == pytest.approx({k: m.value for k, m in double.items()}, rel=1e-5)
    assert values(logits.bfloat16(), target)["nll"] == values(logits.bfloat16().float(), target)["nll"]


def test_does_not_depend_on_the_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    logits, target = example()
    whole, scale = metrics_of(logits, target, scale=0.7), fit_scale(logits, target)
    monkeypatch.setattr(classes, "CHUNK", 30)
    pieces = metrics_of(logits, target, scale=0.7)
    assert pieces == whole
    assert fit_scale(logits, target) == pytest.approx(scale, rel=1e-9)


def test_leaves_the_logits_alone_and_repeats_itself() -> None:
    logits, target = example()
    before = logits.clone()
    torch.manual_seed(0)
    first = metrics_of(logits, target, scale=2.0)
    torch.manual_seed(1)
    state = torch.get_rng_state()
    assert metrics_of(logits, target, scale=2.0) == first
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(logits, before)


@pytest.mark.parametrize("classes", [2, 6])
def test_one_example_has_values_and_no_intervals(classes: int) -> None:
    got = metrics_of(torch.arange(classes)[None].float(), torch.tensor([0]), scale=2.0)
    assert all(math.isfinite(metric.value) and metric.half_width is None for metric in got.values())
    assert got["accuracy"].value == 0
    assert got["top5_accuracy"].value == 0 if classes == 6 else "top5_accuracy" not in got


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("scale", [None, 1e-3, 1e3])
def test_huge_logits_stay_finite(dtype: torch.dtype, scale: float | None) -> None:
    logits = 1e4 * torch.sign(example()[0]).to(dtype)
    got = metrics_of(logits, example()[1], scale=scale)
    assert all(math.isfinite(metric.value) and math.isfinite(metric.half_width or 0) for metric in got.values())
    assert 0 < got["nll"].value < 2e4


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_logits_that_are_not_finite_have_no_metrics(bad: float) -> None:
    logits, target = example()
    names = list(metrics_of(logits, target, scale=1.0))
    logits[17, 3] = bad
    got = metrics_of(logits, target, scale=1.0)
    assert list(got) == names
    assert all(math.isnan(metric.value) and metric.half_width is None for metric in got.values())
    assert fit_scale(logits, target) == 1.0


def test_wrong_input_is_named() -> None:
    logits, target = example(10, 3)
    with pytest.raises(ValueError, match=r"scale must be > 0, got -1"):
        metrics_of(logits, target, scale=-1)
    with pytest.raises(ValueError, match=r"target must have shape \(10,\), got \(9,\)"):
        metrics_of(logits, target[:9])
    with pytest.raises(ValueError, match=r"target must be within 0\.\.2, got .*\.\.3"):
        fit_scale(logits, target.clone().index_fill_(0, torch.tensor([4]), 3))
    for shape in ((0, 3), (10, 1), (10,)):
        with pytest.raises(ValueError, match="logits must have shape"):
            metrics_of(torch.zeros(shape), target)


@pytest.mark.parametrize(("n", "count"), [(1, 2), (4, 5), (50, 3), (200, 10)])
@pytest.mark.parametrize("own", [False, True], ids=["one target", "own targets"])
def test_the_metrics_of_many_are_the_metrics_of_each(n: int, count: int, own: bool) -> None:
    torch.manual_seed(0)
    logits, target = 3 * torch.randn(6, n, count), torch.randint(count, (6, n) if own else (n,))
    logits[1] = 0.0
    logits[2, 0, 0] = torch.nan
    logits[3] *= 1e4
    together = estimates(logits, target, scale=0.5)
    many = {name: estimate.metrics() for name, estimate in together.items()}
    for k in range(6):
        for name, one in estimates(logits[k : k + 1], target[k] if own else target, scale=0.5).items():
            if one.parts is not None and k != 2:  # of a run that is not finite nothing is known
                parts = together[name].parts
                assert parts is not None
                torch.testing.assert_close(parts()[k], one.parts()[0], rtol=1e-9, atol=1e-11, equal_nan=True)
        each = metrics_of(logits[k], target[k] if own else target, scale=0.5)
        assert list(many) == list(each)
        for name, metric in each.items():
            assert many[name][k].value == pytest.approx(metric.value, rel=1e-12, abs=0, nan_ok=True), (name, k)
            width = None if metric.half_width is None else pytest.approx(metric.half_width, rel=1e-9, abs=1e-11)
            assert many[name][k].half_width == width, (name, k)
