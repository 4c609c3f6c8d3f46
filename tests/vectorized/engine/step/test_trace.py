"""A traced function against the function itself."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from lossbench.vectorized.engine.step.trace import FEW, trace


def gradient(w: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    loss = F.cross_entropy(x @ w, torch.arange(len(x)) % w.shape[1])
    return loss.detach(), torch.autograd.grad(loss, w)[0]


@pytest.mark.parametrize("classes", [2, FEW, FEW + 1])  # the softmax over few classes is computed in another layout
def test_other_numbers_give_what_the_function_gives(classes: int) -> None:
    draw = torch.Generator().manual_seed(0)
    first, second = (
        (
            torch.randn(4, classes, generator=draw, dtype=torch.float64).requires_grad_(),
            torch.randn(8, 4, generator=draw, dtype=torch.float64),
        )
        for _ in range(2)
    )
    traced = trace(gradient, *first)
    torch.testing.assert_close(tuple(traced(*second)), gradient(*second), rtol=1e-12, atol=1e-14)


def test_changes_in_place_are_made_at_every_call() -> None:
    def count(total: Tensor, x: Tensor) -> tuple[Tensor]:
        return (total.add_(x) * 2,)

    total, x = torch.zeros(3), torch.ones(3)
    traced = trace(count, total.clone(), x)
    assert [traced(total, x)[0].tolist() for _ in range(2)] == [[2.0] * 3, [4.0] * 3]
    assert total.tolist() == [2.0] * 3


def test_random_numbers_are_drawn_anew() -> None:
    def noisy(x: Tensor) -> tuple[Tensor]:
        return (F.dropout(x),)

    traced, x = trace(noisy, torch.ones(100)), torch.ones(100)
    assert not torch.equal(traced(x)[0], traced(x)[0])
