"""Images in stacks: each run sees the pixels and the targets that it sees alone."""

from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import plan_run
from run_files import assert_same, result_of
from stacked_runs import assert_as_alone, bring, interrupt, planned

from lossbench.config.schema import RunConfig
from lossbench.data.batch import Batch
from lossbench.training.assemble import assemble
from lossbench.vectorized.eligible.settings import why_not
from lossbench.vectorized.shared import Shared
from lossbench.vectorized.train import StackedRuns

SHORT = (
    "model=convnet",
    "model.width=2",
    "trainer=cpu",
    "trainer.max_steps=10",
    "figures=false",
    "log_every_n_steps=4",
)
CROPS = ("augment=crop_flip", "augment.scale=[0.3,1]", "augment.erasing=0.5")
MIRRORED = ("augment=crop_flip", "augment.scale=null", "augment.erasing=0.5")
TURNED = ("augment=crop_flip", "+augment.transforms=[{_target_: torchvision.transforms.v2.RandomInvert, p: 0.5}]")
SOFT = ("augment.mixup=0.4", "augment.cutmix=1", "augment.label_smoothing=0.1")
SEEDS, REPLICATES = ("seed=0", "seed=7"), ("replicate=0", "replicate=2")


@pytest.fixture(scope="module")
def arrays(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Images of three classes, which differ in their brightness, in a file."""
    rng, path = np.random.default_rng(0), tmp_path_factory.mktemp("arrays") / "images.npz"
    y = np.arange(90) % 3
    images = rng.integers(0, 150, (90, 10, 12, 3)) + 50 * y[:, None, None, None]
    np.savez(path, allow_pickle=False, X=images.astype(np.uint8), y=y)
    return str(path)


def on(arrays: str, cache: Path, *words: str) -> tuple[str, ...]:
    data = ("data=arrays", f"data.path={arrays}", "data.image_size=8", "data.batch_size=16", f"data.cache_dir={cache}")
    return (*data, *SHORT, *words)


def batch_alone(config: RunConfig, step: int) -> Batch:
    data = assemble(config).data
    batch = data.dataset("train", training=True).__getitems__(data.batches().batch(step))  # pyright: ignore[reportAttributeAccessIssue]
    return data.device_transforms(batch, "train", step=(step, 0))


@pytest.mark.parametrize(
    ("words", "units"),
    [
        ((*CROPS, "data.cache=none"), REPLICATES),
        ((*CROPS, "data.cache=disk", "data.sampler=balanced"), SEEDS),
        ((*CROPS, "data.cache=gpu"), SEEDS),
        ((*CROPS, "data.cache=gpu"), REPLICATES),
        ((*MIRRORED, "data.cache=none", *SOFT), SEEDS[:1]),
        ((*MIRRORED, "data.cache=none", *SOFT), REPLICATES),
        ((*MIRRORED, "data.cache=gpu", "data.label_noise=0.3", "augment.label_smoothing=0.2"), SEEDS),
        ((*TURNED, "data.cache=disk"), REPLICATES),
        (("augment=none", "data.cache=none"), SEEDS),
    ],
)
def test_a_stack_sees_the_pixels_of_each_run_alone(
    arrays: str, tmp_path: Path, words: tuple[str, ...], units: tuple[str, ...]
) -> None:
    configs = [plan_run(tmp_path, *on(arrays, tmp_path, *words), unit).config for unit in units]
    assert [why_not(config) for config in configs] == [None] * len(configs)
    batches = StackedRuns(configs, Shared(assemble(configs[0])), torch.device("cpu")).stack.batches
    for step in (0, 1, 5):  # a pass has three
        together = batches.at(step)
        assert together.shared == (len(units) == 1)
        for k, config in enumerate(configs):
            alone = batch_alone(config, step)
            pick = (lambda tensor, k=k: tensor) if together.shared else (lambda tensor, k=k: tensor[k])
            assert torch.equal(pick(together.inputs), alone.inputs)
            assert torch.equal(pick(together.target), alone.target)


@pytest.mark.parametrize(
    ("units", "words"),
    [
        (SEEDS, (*CROPS, *SOFT, "data.cache=disk")),
        (REPLICATES, (*MIRRORED, "augment.label_smoothing=0.1", "data.label_noise=0.3", "evaluate=best")),
        (REPLICATES, ("augment=none", "data.cache=gpu")),
    ],
    ids=["crops, mixed", "mirrored, smoothed, wrong labels", "plain"],
)
def test_runs_on_images_are_the_runs_alone(
    arrays: str, tmp_path: Path, units: tuple[str, ...], words: tuple[str, ...]
) -> None:
    losses, every = ("cross_entropy", "focal"), on(arrays, tmp_path, *words)
    runs = planned(tmp_path / "stack", losses, units, *every)
    bring(runs)
    assert {result_of(run).stacked_runs for run in runs} == {4}
    for k in (1, 2):
        assert_as_alone(runs[k], plan_run(tmp_path / "alone", *every, f"loss={losses[k // 2]}", units[k % 2]), 5e-4)


def test_an_interrupted_stack_of_images_ends_bit_for_bit_the_same(arrays: str, tmp_path: Path) -> None:
    words = on(arrays, tmp_path, *CROPS, *SOFT)
    runs, whole = (planned(tmp_path / name, ("cross_entropy",), SEEDS, *words) for name in ("runs", "whole"))
    interrupt(runs, step=4)
    for each in (runs, whole):
        bring(each)
    for run, untouched in zip(runs, whole, strict=True):
        assert result_of(run).resumed_at == 4
        assert_same(run, untouched)


def test_examples_that_are_no_images_are_mixed_too(tmp_path: Path) -> None:
    words = ("data=digits", "model=linear", "augment=mixing", "augment.cutmix=1", *SHORT[2:])
    runs = planned(tmp_path / "stack", ("cross_entropy",), REPLICATES, *words)
    bring(runs)
    assert_as_alone(runs[1], plan_run(tmp_path / "alone", *words, REPLICATES[1]))
