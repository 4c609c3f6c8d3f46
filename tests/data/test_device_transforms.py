"""A batch on the device: normalised as torchvision does, mixed in equal shares of inputs and targets."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torchvision.transforms import v2

from lossbench.data.augment import Augment
from lossbench.data.batch import Batch
from lossbench.data.device_transforms import Normalise, soften
from lossbench.data.images.image_source import IMAGENET_MEAN, IMAGENET_STD
from lossbench.losses import CrossEntropy
from lossbench.seeds import generator

CLASSES, SIZE = 4, 8
MEAN, STD = torch.tensor(IMAGENET_MEAN), torch.tensor(IMAGENET_STD)


def images(n: int = 5) -> Tensor:
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, (n, 9, 7, 3), dtype=np.uint8))


# -- normalisation


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_normalised_as_torchvision_does(dtype: torch.dtype) -> None:
    batch = images().to(dtype)
    expected = v2.functional.normalize(
        images().permute(0, 3, 1, 2).float() / 255, list(IMAGENET_MEAN), list(IMAGENET_STD)
    )
    found = Normalise(MEAN, STD)(batch)
    assert found.dtype == torch.float32
    assert found.shape == (5, 3, 9, 7)
    assert torch.allclose(found, expected, rtol=0, atol=2e-6)
    assert torch.equal(batch, images().to(dtype))


@pytest.mark.parametrize("last", [False, True])
def test_every_value_comes_back(last: bool) -> None:
    every = torch.arange(256, dtype=torch.uint8).view(2, 16, 8, 1).expand(2, 16, 8, 3).contiguous()
    normalise = Normalise(MEAN, STD, channels_last=last)
    assert np.array_equal(normalise.back(normalise(every)), every.numpy())
    # Cut off at black.
    assert np.array_equal(normalise.back(normalise(every).bfloat16() * 0 - 100), np.zeros((2, 16, 8, 3)))


def test_channels_last_is_a_matter_of_memory_alone() -> None:
    first, last = (Normalise(MEAN, STD, channels_last=flag)(images()) for flag in (False, True))
    assert torch.equal(first, last)
    assert first.is_contiguous()
    assert last.is_contiguous(memory_format=torch.channels_last)
    assert not last.is_contiguous()


# -- soft targets


def batch(n: int = 6) -> Batch:
    inputs = np.random.default_rng(1).normal(size=(n, 3, SIZE, SIZE)).astype(np.float32)
    return Batch(torch.from_numpy(inputs), torch.tensor([0, 1, 2, 3, 0, 1])[:n], torch.arange(n) + 10)


def softened(epoch: int = 0, given: Batch | None = None, **settings: Any) -> Batch:
    return soften(given or batch(), Augment(**settings), CLASSES, generator(0, "mix", epoch))


SOFT: list[dict[str, Any]] = [
    {"mixup": 0.4},
    {"cutmix": 1.0},
    {"label_smoothing": 0.1},
    {"mixup": 0.2, "cutmix": 1.0, "label_smoothing": 0.3},
]


def test_nothing_is_touched_where_nothing_is_soft() -> None:
    given, rng = batch(), generator(0)
    before = rng.bit_generator.state
    assert soften(given, Augment(scale=(0.1, 1.0), flip=1.0, erasing=1.0), CLASSES, rng) is given
    assert rng.bit_generator.state == before


@pytest.mark.parametrize("settings", SOFT, ids=str)
def test_targets_are_probabilities(settings: dict[str, Any]) -> None:
    for epoch in range(20):
        given = batch()
        found = softened(epoch, given, **settings)
        assert found.target.shape == (6, CLASSES)
        assert found.target.dtype == torch.float32
        assert found.target.min() >= 0
        assert torch.allclose(found.target.sum(1), torch.ones(6), atol=1e-6)
        assert found.position is given.position
        # The batch handed in stays what it was.
        assert all(torch.equal(a, b) for a, b in zip(given.tensors(), batch().tensors(), strict=True))


@pytest.mark.parametrize("settings", SOFT, ids=str)
def test_the_same_numbers_give_the_same_batch(settings: dict[str, Any]) -> None:
    for a, b in zip(softened(3, **settings).tensors(), softened(3, **settings).tensors(), strict=True):
        assert torch.equal(a, b)
    if "label_smoothing" not in settings:
        assert any(
            not torch.equal(softened(3, **settings).inputs, softened(epoch, **settings).inputs) for epoch in (4, 5)
        )


def identity(n: int = 6) -> Batch:
    """Image i is 1 in channel i and 0 elsewhere: inputs say how much of each image they hold, pixel by pixel."""
    return Batch(torch.eye(n).view(n, n, 1, 1).expand(n, n, SIZE, SIZE).contiguous(), batch(n).target, torch.arange(n))


def one_hot(target: Tensor) -> Tensor:
    return torch.eye(CLASSES)[target]


@pytest.mark.parametrize("alpha", [0.2, 1.0, 8.0])
def test_mixup_mixes_inputs_and_targets_in_the_same_shares(alpha: float) -> None:
    shares = []
    for epoch in range(200):
        given = identity()
        found = softened(epoch, given, mixup=alpha)
        held = found.inputs[:, :, 0, 0]
        assert torch.equal(found.inputs, held[:, :, None, None].expand_as(found.inputs))
        assert torch.allclose(held.sum(0), torch.ones(6), atol=1e-6)  # every image is somebody's partner once
        assert torch.allclose(found.target, held @ one_hot(given.target), atol=1e-6)
        share = held.diag()[held.diag() < 1]
        if len(share):
            assert torch.allclose(share, share[0].expand_as(share), atol=1e-6)  # one share a batch
            shares.append(share[0].item())
    spread = 1 / (4 * (2 * alpha + 1))  # the variance of Beta(alpha, alpha)
    assert abs(np.mean(shares) - 0.5) < 5 * (spread / len(shares)) ** 0.5
    assert 0.75 * spread < np.var(shares) < 1.25 * spread


def corner_of_rectangle(hole: Tensor) -> tuple[int, int]:
    """The corner of the one rectangle of ones in a hole."""
    rows, columns = torch.nonzero(hole.any(1)), torch.nonzero(hole.any(0))
    assert (hole[rows[0, 0] : rows[-1, 0] + 1, columns[0, 0] : columns[-1, 0] + 1] == 1).all()
    return int(rows[0, 0]), int(columns[0, 0])


def test_cutmix_pastes_a_rectangle_and_mixes_targets_by_its_area() -> None:
    areas, corners = [], set[tuple[int, int]]()
    for epoch in range(300):
        given = identity()
        found = softened(epoch, given, cutmix=1.0)
        held = found.inputs.mean((2, 3))
        assert torch.allclose(found.target, held @ one_hot(given.target), atol=1e-6)
        assert set(found.inputs.unique().tolist()) <= {0.0, 1.0}
        pasted = [*(1 - found.inputs[torch.arange(6), torch.arange(6)])[held.diagonal() < 1]]
        corners |= {corner_of_rectangle(hole) for hole in pasted}
        assert all(torch.equal(hole, pasted[0]) for hole in pasted)  # the same place in every image
        areas.append(pasted[0].mean().item() if pasted else 0.0)
    assert len(corners) > 20
    assert max(areas) > 0.8
    # E (a - a^2 / 4)^2 for squares of side a = sqrt(u) around a uniform centre, cut off at the border
    assert abs(np.mean(areas) - (1 / 2 - 1 / 5 + 1 / 48)) < 4 * np.std(areas) / len(areas) ** 0.5


def test_with_both_each_batch_takes_either() -> None:
    kinds = []
    for epoch in range(200):
        held = softened(epoch, identity(), mixup=1.0, cutmix=1.0).inputs
        if not torch.equal(held, identity().inputs):
            kinds.append(bool(((held > 0) & (held < 1)).any()))
    assert 0.35 < np.mean(kinds) < 0.65


def test_smoothing_targets_is_the_smoothing_of_cross_entropy() -> None:
    logits = torch.from_numpy(np.random.default_rng(0).normal(size=(6, CLASSES))).float()
    for smoothing in (0.05, 0.3):
        found = softened(label_smoothing=smoothing)
        assert torch.equal(found.inputs, batch().inputs)
        ours = CrossEntropy()(logits, found.target)
        assert torch.allclose(ours, CrossEntropy(label_smoothing=smoothing)(logits, batch().target), atol=1e-6)
        assert torch.allclose(
            ours, torch.nn.functional.cross_entropy(logits, batch().target, label_smoothing=smoothing), atol=1e-6
        )


def test_smoothing_comes_after_mixing() -> None:
    mixed = softened(1, mixup=1.0)
    both = softened(1, mixup=1.0, label_smoothing=0.2)
    assert torch.equal(both.inputs, mixed.inputs)
    assert torch.allclose(both.target, 0.8 * mixed.target + 0.2 / CLASSES)


def test_a_single_example_is_mixed_with_itself() -> None:
    for settings in SOFT[:2]:
        found = softened(0, identity(1), **settings)
        assert torch.allclose(found.inputs, identity(1).inputs)
        assert torch.allclose(found.target, one_hot(identity(1).target))


def test_vectors_are_mixed_too() -> None:
    """Features have no height and width."""
    found = softened(2, Batch(torch.eye(6), batch().target, torch.arange(6)), mixup=1.0)
    assert torch.allclose(found.target, found.inputs @ one_hot(batch().target), atol=1e-6)
    assert not torch.equal(found.inputs, torch.eye(6))
