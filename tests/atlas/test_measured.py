"""What the atlas measures, against golden numbers, closed forms and losses made for it."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from conftest import ROOT
from torch import Tensor

from lossbench import losses
from lossbench.atlas import sentences as sentences
from lossbench.atlas.catalog import Entry, registered
from lossbench.atlas.finite import gap_up_to
from lossbench.atlas.measure import along, calls, measure
from lossbench.atlas.measured import Measured
from lossbench.config.rules import RegionError
from lossbench.losses import Loss

KNOWN = registered(ROOT / "conf" / "loss")


def found(entry: Entry) -> Measured:
    measured = measure(entry)
    assert isinstance(measured, Measured), measured
    return measured


def own(kind: type[Any], **given: Any) -> Entry:
    return Entry(kind.__name__, lambda **changed: kind(**{**given, **changed}), kind)


@pytest.mark.parametrize(
    ("name", "gradient", "rtol"),
    [
        ("dot_product", 0.0010, 0.05),
        ("cosine_prob", 0.0012, 0.05),
        ("inverse_tuned", 0.795, 1e-3),
        ("cross_entropy", 0.999, 1e-6),
        ("inverse", 999, 1e-6),
    ],
)
def test_gradient_at_chance_with_1000_classes(name: str, gradient: float, rtol: float) -> None:
    start = sentences.at_chance(found(KNOWN[name]).chance, 1000)
    assert start is not None
    assert -start[1] == pytest.approx(gradient, rel=rtol)


def test_slopes_are_the_closed_forms() -> None:
    p = np.array([0.01, 0.3, 0.9])
    entropy = along(losses.cross_entropy, p, "probability")
    np.testing.assert_allclose(entropy.value, -np.log(p))
    np.testing.assert_allclose(entropy.slope, -1 / p)
    np.testing.assert_allclose(entropy.gradient, p - 1)
    true = 1 + np.log(p / (1 - p)) + math.log(9)  # nine others at 1
    np.testing.assert_allclose(along(losses.cosine, p, "probability").value, 1 - true / np.sqrt(true**2 + 9))


def test_who_sees_p_alone_and_where_the_floor_is() -> None:
    assert {name for name, entry in KNOWN.items() if entry.tasks == ("classification",) and not found(entry).of_p} >= {
        "cosine",
        "cosine_xent",
    }
    assert found(KNOWN["power"]).of_p
    # the cross-entropy of unit outputs: log(1 + 9 e^-1) at C = 10
    assert found(KNOWN["cosine_xent"]).minimum == (1.0, pytest.approx(0.1 * math.log(1 + 9 / math.e), abs=1e-4))


@dataclass(eq=False)
class AnyCosineProb(Loss):
    """cosine_prob without its region."""

    a: float = 2.0
    b: float = 1.0

    def per_example(self, output: Tensor, target: Tensor) -> Tensor:
        return losses.cosine_prob(output, target, alpha=self.a, beta=self.b)


@pytest.mark.parametrize(
    ("a", "b", "least", "at"), [(2.0, 1.0, -0.460, 0.682), (1.9, 1.0, -0.335, 0.718), (0.9, 2.0, -0.037, 0.808)]
)
def test_an_invalid_region_does_not_fall_all_the_way(a: float, b: float, least: float, at: float) -> None:
    measured = found(own(AnyCosineProb, a=a, b=b))
    assert not measured.falls
    assert measured.minimum == (pytest.approx(at, abs=1e-3), pytest.approx(least, abs=1e-3))
    assert f"at p = {at:.3g}, and rises from there" in sentences.falls(measured)
    assert "DOES NOT FALL" in sentences.line("x", measured)


def test_valid_losses_fall_all_the_way() -> None:
    assert all(found(KNOWN[name]).falls for name in ("cross_entropy", "cosine_prob", "power", "inverse", "cosine"))


def through_softmax(logits: Tensor, target: Tensor) -> Tensor:
    return 1 / torch.softmax(logits, -1).gather(-1, target.unsqueeze(-1)).squeeze(-1)


def through_exponential(logits: Tensor, target: Tensor) -> Tensor:
    return torch.nn.functional.cross_entropy(logits, target, reduction="none").exp()


@pytest.mark.parametrize(
    ("call", "dtype", "gap"),
    [
        (through_softmax, torch.float32, 44.4),
        (through_softmax, torch.bfloat16, 44.4),
        (through_softmax, torch.float16, math.log(255)),  # p = 1 / 256
        (through_exponential, torch.float32, 88),
        (losses.inverse, torch.float16, math.log(65504)),  # the gradient is 1 / p
        (losses.inverse, torch.float32, math.inf),  # where the written-out forms end, ours goes on linearly
        (losses.inverse, torch.bfloat16, math.inf),
        (losses.cross_entropy, torch.float16, math.inf),
    ],
)
def test_safe_ranges_are_those_of_golden(call: Callable[..., Tensor], dtype: torch.dtype, gap: float) -> None:
    assert gap_up_to(call, dtype) == pytest.approx(gap, rel=0.01)


def test_a_sweep_leaves_out_where_the_loss_is_not_defined() -> None:
    swept = found(KNOWN["cosine_prob"]).swept
    assert list(swept["alpha"].curves) == [0.225, 0.45, 0.9, 1.35]
    assert swept["alpha"].refused == [1.8, 3.6]
    with pytest.raises(RegionError):
        losses.CosineProb(alpha=1.8)
    assert 0.7 in found(KNOWN["power"]).swept["q"].curves
    assert found(KNOWN["cross_entropy"]).swept.keys() == {"label_smoothing"}  # weight is no number


@dataclass(eq=False)
class Absolute(Loss):
    tasks: ClassVar[tuple[str, ...]] = ("regression",)
    corner: float = 1.0

    def per_example(self, output: Tensor, target: Tensor) -> Tensor:
        return torch.nn.functional.smooth_l1_loss(output, target, reduction="none", beta=self.corner).mean(-1)


@dataclass(eq=False)
class Wiggly(Absolute):
    def per_example(self, output: Tensor, target: Tensor) -> Tensor:
        return torch.sin(output - target).square().mean(-1)


@dataclass(eq=False)
class Pairs(Loss):
    tasks: ClassVar[tuple[str, ...]] = ("ranking",)


@dataclass(eq=False)
class FromHead(Loss):
    def per_example(self, output: Tensor, target: Tensor) -> Tensor:
        return losses.cross_entropy(8 * output, target)


@dataclass(eq=False)
class OneHotOnly(Loss):
    def per_example(self, output: Tensor, target: Tensor) -> Tensor:
        if not target.is_floating_point():
            raise ValueError("targets must be multi-hot")
        return (torch.softmax(output, -1) - target).square().sum(-1)


def test_other_tasks_and_other_forms() -> None:
    smooth = found(own(Absolute))
    assert (smooth.path, smooth.falls, smooth.chance, smooth.minimum) == ("error", True, None, (0.0, 0.0))
    np.testing.assert_allclose(smooth.curve.gradient, np.clip(smooth.curve.x, -1, 1), atol=1e-12)
    assert not found(own(Wiggly)).falls
    assert measure(own(Pairs)) == "for ranking, and no function of one number"
    cosines = found(Entry("from_head", FromHead, FromHead, head=True))
    assert (cosines.path, cosines.falls, cosines.chance) == ("cosine", True, None)
    assert found(KNOWN["cosine_xent_head"]).path == "probability"
    hot = found(own(OneHotOnly))
    assert hot.falls
    assert isinstance(calls(own(Pairs).make()), str)


def test_a_searched_range_is_the_least_and_the_largest_of_its_losses() -> None:
    """Focal loss falls as gamma grows: its range ends at cross-entropy and at gamma = 5."""
    band = found(KNOWN["focal"]).swept["gamma"].searched
    assert band is not None
    np.testing.assert_allclose(band.high.value, along(losses.cross_entropy, band.high.x, "probability").value)
    np.testing.assert_allclose(
        band.low.value, along(lambda z, y: losses.focal(z, y, gamma=5.0), band.low.x, "probability").value
    )
    assert sentences.range_of(band.range) == "0 to 5, evenly"
    assert found(KNOWN["symmetric_cross_entropy"]).swept["log_zero"].searched is None
