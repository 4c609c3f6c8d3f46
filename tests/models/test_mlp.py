"""The multi-layer perceptron."""

import pytest
import torch
from torch import nn

from lossbench.models.mlp import MLP


@pytest.mark.parametrize(
    ("hidden", "shapes"), [([], [(3, 8)]), ([5], [(5, 8), (3, 5)]), ((6, 4), [(6, 8), (4, 6), (3, 4)])]
)
def test_widths(hidden: list[int], shapes: list[tuple[int, int]]) -> None:
    model = MLP((2, 2, 2), 3, hidden)
    assert [tuple(p.shape) for p in model.parameters() if p.ndim == 2] == shapes
    assert model(torch.zeros(7, 2, 2, 2)).shape == (7, 3)


def test_it_is_linear_relu_linear() -> None:
    model = MLP((4,), 3, [5])
    first, last = (layer for layer in model.layers if isinstance(layer, nn.Linear))
    x = torch.randn(6, 4)
    expected = (x @ first.weight.T + first.bias).clamp_min(0) @ last.weight.T + last.bias
    torch.testing.assert_close(model(x), expected)


def test_dropout_drops_the_right_fraction_and_only_in_training() -> None:
    model = MLP((1,), 1, [10_000], dropout=0.25)
    hidden = model.layers[:-1]
    with torch.no_grad():
        model.layers[0].weight.zero_()  # pyright: ignore[reportCallIssue]
        model.layers[0].bias.fill_(3.0)  # pyright: ignore[reportCallIssue]
    torch.manual_seed(0)
    values = hidden(torch.ones(1, 1))
    assert (values == 0).float().mean().item() == pytest.approx(0.25, abs=0.02)
    assert values.unique().tolist() == [0.0, 4.0]
    model.eval()
    assert hidden(torch.ones(1, 1)).unique().tolist() == [3.0]


def test_the_same_seed_draws_the_same_weights() -> None:
    def draw() -> torch.Tensor:
        torch.manual_seed(1)
        return nn.utils.parameters_to_vector(MLP((4,), 3).parameters())

    assert torch.equal(draw(), draw())
    assert len(draw()) == 4 * 128 + 128 + 128 * 3 + 3
