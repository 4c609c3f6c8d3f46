"""What is better trained one by one."""

from pathlib import Path

import pytest
import torch
from conftest import plan_run
from torch import nn

from lossbench.models.convnet import ConvNet
from lossbench.training.assemble import assemble
from lossbench.vectorized.eligible import worth
from lossbench.vectorized.eligible.worth import operations, why_one_by_one


def test_operations_of_convolutions_are_counted() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Flatten(), nn.Linear(4 * 64, 5))
    assert operations(model, (3, 8, 8)) == 2 * 4 * 3 * 9 * 64
    assert model.training
    assert operations(nn.Linear(4, 5), (4,)) == 0
    large, small = (operations(ConvNet((3, 32, 32), 10, width), (3, 32, 32)) for width in (32, 8))
    assert 10 < large / small < 16


def test_convolutions_that_fill_a_cpu_and_many_images_are_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("data=fake_images", "data.image_size=32", "data.n_train=64", "model=convnet", "augment=none")
    cpu, gpu = torch.device("cpu"), torch.device("cuda")

    def reason(*more: str, device: torch.device = cpu) -> str | None:
        config = plan_run(tmp_path, *words, "trainer=cpu", *more).config
        return why_one_by_one(config, assemble(config), device)

    large = reason("data.batch_size=64")
    assert large is not None
    assert large.startswith("model=convnet: 2.8 billion operations of convolutions in a batch are faster one by one")
    assert reason("data.batch_size=64", device=gpu) is None
    assert reason("data.batch_size=64", "model.width=4") is None
    monkeypatch.setattr(worth, "MOST_PIXELS", 1000)
    many = reason("model.width=4")
    assert many is not None
    assert many.startswith("data=fake_images: its images are 0.0 GB decoded")
