"""The small convolutional network."""

from math import prod

import pytest
import torch

from lossbench.models.convnet import ConvNet


@pytest.mark.parametrize("head", ["linear", "concat_pool", "cosine"])
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 33, 64)])
def test_it_takes_small_pictures_and_all_of_it_learns(shape: tuple[int, int, int], head: str) -> None:
    model = ConvNet(shape, 5, width=4, head=head)
    output = model(torch.randn(6, *shape))
    assert output.shape == (6, 5)
    output.square().sum().backward()
    assert [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()] == []
    grouped = [id(p) for group in model.layer_groups() for p in group]
    assert sorted(grouped) == sorted(id(p) for p in model.parameters())
    assert model.features(torch.randn(2, *shape)).shape == (2, model.num_features)


def test_its_size() -> None:
    assert sum(prod(p.shape) for p in ConvNet((3, 32, 32), 10).parameters()) == 279_466


def test_shift_by_eight_pixels_moves_the_map_by_one() -> None:
    model, x = ConvNet((3, 48, 48), 5, width=4).eval(), torch.zeros(1, 3, 48, 48)
    x[..., 16:24, 16:24] = torch.randn(8, 8)
    first, second = model.backbone(x), model.backbone(x.roll((8, 8), (2, 3)))
    torch.testing.assert_close(first.roll((1, 1), (2, 3))[..., 2:5, 2:5], second[..., 2:5, 2:5])


@pytest.mark.parametrize("shape", [(64,), (3, 7, 32)])
def test_other_inputs_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"^inputs must be images .* of at least 8 x 8 pixels, got \("):
        ConvNet(shape, 5)
