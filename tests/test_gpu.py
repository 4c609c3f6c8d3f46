"""What only a GPU can show: everything on the device at once, and the same numbers as on the CPU."""

from pathlib import Path

import pytest
import torch
from conftest import plan_run

from lossbench import losses
from lossbench.job.start import start
from lossbench.losses.bounds import EVERY
from lossbench.training.assemble import assemble
from lossbench.vectorized.shared import Shared
from lossbench.vectorized.train import StackedRuns

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")]
SMALL = (
    *(
        "data=fake_images",
        "data.classes=4",
        "data.n_train=64",
        "data.n_val=13",
        "data.n_test=15",
        "data.image_size=32",
        "data.batch_size=16",
    ),
    *(
        "data.height=40",
        "data.width=50",
        "model=resnet18",
        "model.stem=imagenet",
        "trainer=gpu",
        "trainer.max_epochs=2",
    ),
)


@pytest.mark.parametrize("cache", ["none", "disk", "gpu"])
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed", "16-mixed"])
def test_everything_at_once(tmp_path: Path, cache: str, precision: str) -> None:
    words = (
        "augment.mixup=0.2",
        "augment.cutmix=1.0",
        "augment.erasing=0.5",
        "callbacks=ema",
        "scheduler=finetune",
        "optimizer=adamw",
    )
    more = (
        f"data.cache={cache}",
        f"trainer.precision={precision}",
        "trainer.channels_last=true",
        "trainer.accumulate_grad_batches=2",
    )
    result = start(plan_run(tmp_path / "runs", *SMALL, *words, *more, f"data.cache_dir={tmp_path / 'cache'}"))
    assert (result.steps, result.device) == (8, "cuda:0")
    assert result.n == {"val": 13, "test": 15}


def test_crops_on_the_device_are_those_on_the_cpu(tmp_path: Path) -> None:
    words = (*SMALL, "data.cache=gpu", "model=mlp", "optimizer=sgd", f"data.cache_dir={tmp_path / 'cache'}")
    words = tuple(word for word in words if word not in ("model=resnet18", "model.stem=imagenet"))
    first, second = (start(plan_run(tmp_path / name, *words, f"trainer={name}")).metrics for name in ("cpu", "gpu"))
    assert first == pytest.approx(second, abs=1e-3)


def test_batchnorm_over_all_processes(tmp_path: Path) -> None:
    words = ("trainer=ddp", "trainer.devices=1", "trainer.sync_batchnorm=true", "trainer.precision=bf16-mixed")
    assert start(plan_run(tmp_path / "runs", *SMALL, *words, f"data.cache_dir={tmp_path / 'cache'}")).steps == 8


def test_a_compiled_model(tmp_path: Path) -> None:
    # At 32 px the last maps are 1 x 1, and torch's compiled convolutions fail (pytorch/pytorch#171622).
    words = ("data.image_size=64", "trainer.compile=true", "trainer.channels_last=true", "trainer.precision=bf16-mixed")
    assert start(plan_run(tmp_path / "runs", *SMALL, *words, f"data.cache_dir={tmp_path / 'cache'}")).steps == 8


def test_a_stack_is_that_of_the_cpu_and_measures_the_same_each_time(tmp_path: Path) -> None:
    words = ("data=digits", "model=mlp", "loss=power", "trainer.max_steps=50", "trainer=cpu")
    configs = [
        plan_run(tmp_path / "runs", *words, f"replicate={k}", f"optimizer.lr={0.001 + 0.001 * k}").config
        for k in (0, 1)
    ]
    shared, stacks = Shared(assemble(configs[0])), []
    for device in ("cpu", "cuda", "cuda"):
        stacked = StackedRuns(configs, shared, torch.device(device), torch.float64)
        stacked.train(lambda: None, lambda: None, lambda steps: None)
        stacks.append(stacked)
    on_cpu, on_gpu, again = (each.stack.weights(0) for each in stacks)
    for name, weights in on_cpu.items():
        torch.testing.assert_close(on_gpu[name].cpu(), weights, rtol=1e-9, atol=1e-12)
        assert torch.equal(on_gpu[name], again[name])
    rows = [[row.values for row in each.rows.rows if "val/ece" in row.names] for each in stacks[1:]]
    assert all(torch.equal(one, other) for one, other in zip(*rows, strict=True))


def test_a_loss_of_cosines_waits_for_the_gpu_in_one_of_64_calls() -> None:
    loss, cosines, target = losses.CosFace(), torch.zeros(4, 3, device="cuda"), torch.zeros(4, dtype=torch.int64).cuda()
    torch.cuda.set_sync_debug_mode("error")
    waits = 0
    try:
        for _ in range(2 * EVERY):
            try:
                loss(cosines, target)
            except RuntimeError:  # it waited
                waits += 1
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert waits == 2
    with pytest.raises(ValueError, match="cosface takes cosines"):
        [loss(cosines + 3, target) for _ in range(EVERY)]
