"""Reasons why a run is not stacked."""

import pytest
from records import config_with

from lossbench.vectorized.eligible.settings import why_not

ADAM = {"name": "adam", "_target_": "torch.optim.Adam", "lr": 0.1, "betas": [0.9, 0.999], "amsgrad": False}
STOPPING = {"_target_": "pytorch_lightning.callbacks.EarlyStopping"}
PETS = {"_target_": "lossbench.data.images.pets.Pets"}
COUNTS = {"_target_": "lossbench.data.toys.ToyCounts"}
DIGITS = ("data", {"name": "digits", "_target_": "lossbench.data.digits.Digits", "batch_size": 64})


@pytest.mark.parametrize(
    ("found", "stacks", "change"),
    [
        ("trainer.devices=2", "trainer.devices=1", ("trainer.devices", 2)),
        ("trainer.num_nodes=3", "trainer.num_nodes=1", ("trainer.num_nodes", 3)),
        ("trainer.precision=bf16-mixed", "trainer.precision=32-true", ("trainer.precision", "bf16-mixed")),
        ("trainer.compile=true", "trainer.compile=false", ("trainer.compile", True)),
        ("checkpoint.every_n_steps=3", "checkpoint.every_n_steps=null", ("checkpoint.every_n_steps", 3)),
        ("profiler=x.Profiler", "profiler=null", ("profiler", {"_target_": "x.Profiler"})),
        ("callbacks=timer", "early_stopping", ("callbacks.timer", {"_target_": "pytorch_lightning.callbacks.Timer"})),
        ("callbacks=second", "~callbacks.second", ("callbacks", {"early_stopping": STOPPING, "second": STOPPING})),
        (
            "callbacks.early_stopping.verbose=true",
            "~callbacks.early_stopping.verbose",
            ("callbacks.early_stopping", {**STOPPING, "verbose": True}),
        ),
        (
            "data.image_size=224",
            "model=linear_probe",
            ("data", {"name": "pets", "batch_size": 4, "root": "data", **PETS}),
        ),
        ("data=toy_counts", "classification", ("data", {"name": "toy_counts", "batch_size": 4, **COUNTS})),
        (
            "scheduler=own",
            "scheduler=one_cycle",
            ("scheduler", {"name": "own", "_target_": "x.Schedule"}),
        ),
        ("optimizer=rprop", "SGD", ("optimizer", {"name": "rprop", "_target_": "torch.optim.Rprop", "lr": 1})),
        ("optimizer.amsgrad=true", "~optimizer.amsgrad", ("optimizer.amsgrad", True)),
        ("logger=wandb", "logger=tensorboard", ("logger.wandb", {"_target_": "x.Wandb"})),
    ],
)
def test_reasons_name_the_key_what_was_found_and_what_stacks(
    found: str, stacks: str, change: tuple[str, object]
) -> None:
    good = (DIGITS, ("optimizer", ADAM), ("logger.tensorboard", {"_target_": "x.TensorBoard"}))
    assert why_not(config_with(*good)) is None
    reason = why_not(config_with(*good, change))
    assert reason is not None
    assert reason.startswith(f"{found}: "), reason
    what = reason.rpartition("; ")[2]
    assert what.endswith((" stacks", " stack", " on images"))
    assert stacks in what


CROPS = {"name": "crop_flip", "_target_": "lossbench.data.augment.Augment", "scale": [0.1, 1.0]}
REPLICATE = (("seed", 1), ("replicate", 1), ("data.replicate", 1))
SMALL = {"name": "fake_images", "_target_": "lossbench.data.images.fake.FakeImages", "batch_size": 4, "image_size": 32}


@pytest.mark.parametrize(
    ("found", "stacks", "changes"),
    [
        ("data.image_size=65", "data.image_size=64 or smaller", (("data.image_size", 65),)),
        ("data.cache=none", "data.cache=disk", (("augment", CROPS),)),
        ("data.cache=none", "data.cache=disk", (("augment", {**CROPS, "scale": None, "transforms": [{}]}),)),
        ("figures=true", "figures=auto", (("figures", True),)),
        (
            "data.limit_eval_batches=2",
            "=null",
            (("data.limit_eval_batches", 2), *REPLICATE),
        ),
        ("data.overfit_batches=1", "=0", (("data.overfit_batches", 1), *REPLICATE)),
    ],
)
def test_reasons_of_images(found: str, stacks: str, changes: tuple[tuple[str, object], ...]) -> None:
    good = (("data", SMALL), ("optimizer", ADAM))
    for more in ((), (("augment", CROPS), ("data.cache", "disk")), (("augment", {**CROPS, "scale": None}),)):
        assert why_not(config_with(*good, *more)) is None
    reason = why_not(config_with(*good, *changes))
    assert reason is not None
    assert reason.startswith(f"{found}: "), reason
    assert stacks in reason.rpartition("; ")[2]
