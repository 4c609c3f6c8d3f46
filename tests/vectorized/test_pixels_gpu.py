"""Random numbers and pixels of stacks on a GPU: those of a single run there."""

from pathlib import Path

import pytest
import torch
from conftest import plan_run
from torch import nn

from lossbench.seeds import step_seed
from lossbench.training.assemble import assemble
from lossbench.vectorized.engine.dropout import Dropout, with_masks
from lossbench.vectorized.shared import Shared
from lossbench.vectorized.train import StackedRuns

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")]


def test_masks_on_a_gpu_are_those_of_the_run_alone() -> None:
    model = nn.Sequential(nn.Conv2d(1, 3, 3), nn.Dropout2d(0.3), nn.Flatten(), nn.Dropout(0.5), nn.Linear(108, 4))
    model.append(nn.Dropout(0.2, inplace=True)).cuda()
    inputs, seeds = torch.randn(37, 1, 8, 8, device="cuda"), (4, 9, 4)
    masks = Dropout(model, inputs, seeds).at(step=6)
    for k, seed in enumerate(seeds):
        torch.manual_seed(step_seed(seed, 6))
        alone = model(inputs)
        with with_masks([mask[k] for mask in masks]):
            assert torch.equal(model(inputs), alone)


@pytest.mark.parametrize(
    "words",
    [
        ("augment.scale=[0.3,1]", "data.cache=gpu", "augment.erasing=0.5", "augment.mixup=0.3"),
        ("augment.scale=[0.3,1]", "data.cache=disk"),
        ("augment.scale=null", "augment.erasing=0.5", "augment.cutmix=1"),
    ],
)
def test_pixels_on_a_gpu_are_those_of_the_run_alone(tmp_path: Path, words: tuple[str, ...]) -> None:
    data = ("data=fake_images", "data.n_train=48", "data.batch_size=16", "data.image_size=32", "model=convnet")
    words = (*data, "augment=crop_flip", f"data.cache_dir={tmp_path}", "trainer=cpu", *words)
    configs = [plan_run(tmp_path, *words, f"seed={seed}").config for seed in (0, 1)]
    device = torch.device("cuda")
    batches = StackedRuns(configs, Shared(assemble(configs[0])), device).stack.batches
    for k, config in enumerate(configs):
        alone = assemble(config).data
        batch = alone.dataset("train", training=True).__getitems__(alone.batches().batch(4))  # pyright: ignore[reportAttributeAccessIssue]
        seen, together = alone.device_transforms(batch.on(device), "train", step=(4, 0)), batches.at(4)
        assert torch.equal(together.inputs[k], seen.inputs)
        assert torch.equal(together.target[k], seen.target)
