"""Losses with hand-written gradients: fast where a gradient is all that is wanted, right in every derivative."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.nn import functional as F

from lossbench import losses
from lossbench.losses import written
from lossbench.losses.case import CLASSES, examples

WRITTEN: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "cosine": losses.cosine,
    "cosine_xent": lambda z, y: losses.cosine_xent(z, y, xent_weight=0.7, scale=11.5),
    "squentropy": losses.squentropy,
    "bce": losses.bce,
    "cosface": lambda z, y: losses.cosface(torch.tanh(z), y),
    "arcface": lambda z, y: losses.arcface(torch.tanh(z), y),
    "tvmf": lambda z, y: losses.tvmf(torch.tanh(z), y),
}
EACH = pytest.mark.parametrize("loss", WRITTEN.values(), ids=list(WRITTEN))


@EACH
def test_a_gradient_alone_takes_the_written_pass(
    loss: Callable[[Tensor, Tensor], Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    composed: list[str] = []
    monkeypatch.setattr(written, "_composed", lambda *_: composed.append("composed"))
    logits, target, _ = examples()
    loss(logits.requires_grad_(), target).mean().backward()
    assert logits.grad is not None
    assert not composed


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:FutureWarning")  # torch's own, in forward mode
@EACH
def test_an_index_has_the_curvature_of_its_one_hot_target(loss: Callable[[Tensor, Tensor], Tensor]) -> None:
    """The gradient penalty, the Hessian by reverse and by forward mode, and the slope along a direction."""
    logits, target, _ = examples()
    direction = logits.flip(0)

    def found(y: Tensor) -> list[Any]:
        leaf = logits.clone().requires_grad_()
        gradient = torch.autograd.grad(loss(leaf, y).mean(), leaf, create_graph=True)[0]
        (penalty,) = torch.autograd.grad(gradient.square().sum(), leaf)
        mean = torch.func.hessian(lambda z: loss(z, y).mean())(logits)
        with forward_ad.dual_level():
            slope = forward_ad.unpack_dual(loss(forward_ad.make_dual(logits, direction), y)).tangent
        assert slope is not None
        return [penalty, mean, torch.autograd.functional.hessian(lambda z: loss(z, y).mean(), logits), slope]

    for hard, soft in zip(found(target), found(F.one_hot(target, CLASSES).double()), strict=True):
        assert soft.abs().max() > 0
        torch.testing.assert_close(hard, soft)
