"""Softmax regression."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from lossbench.models.linear import Linear

WEIGHT = [[1.0, 2.0, 3.0, 4.0], [0.0, -1.0, 0.5, 0.25]]


@pytest.mark.parametrize("given", [WEIGHT, np.array(WEIGHT), torch.tensor(WEIGHT)])
def test_given_weights_are_copied(given: object) -> None:
    model = Linear((1, 2, 2), 2, bias=False, weight=given)
    assert model.linear.weight.dtype == torch.float32
    x = torch.arange(8.0).reshape(2, 1, 2, 2)
    expected = [[1 * 0 + 2 * 1 + 3 * 2 + 4 * 3, -1 + 1 + 0.75], [4 + 10 + 18 + 28, -5 + 3 + 1.75]]
    assert model(x).tolist() == expected
    model.linear.weight.data.zero_()
    assert given[0][0] == 1  # pyright: ignore[reportIndexIssue]


def test_without_weights_torch_draws_them() -> None:
    torch.manual_seed(0)
    expected = torch.nn.Linear(4, 3)
    torch.manual_seed(0)
    model = Linear((4,), 3)
    x = torch.randn(5, 4)
    assert torch.equal(model(x), expected(x))
    assert [tuple(p.shape) for p in model.parameters()] == [(3, 4), (3,)]


def test_the_given_weights_learn() -> None:
    model = Linear((4,), 2, bias=False, weight=WEIGHT)
    F.cross_entropy(model(torch.ones(1, 4)), torch.tensor([1])).backward()
    (weight,) = model.parameters()
    assert weight.grad is not None
    assert weight.grad.abs().sum() > 0


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        ([[1.0, 2.0]], r"weight must have shape \(2, 4\), got \(1, 2\)"),
        (1.0, r"weight must have shape \(2, 4\), got \(\)"),
        ("published", "weight must be a list of C lists of D numbers, got 'published'"),
        ([[1.0], [1.0, 2.0]], "weight must be a list of C lists of D numbers"),
        ({"a": 1}, "weight must be a list of C lists of D numbers"),
    ],
)
def test_other_weights_are_refused(weight: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Linear((4,), 2, weight=weight)
