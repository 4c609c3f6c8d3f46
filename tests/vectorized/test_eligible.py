"""Reasons why a run is not stacked."""

import pytest
from records import config_with

from lossbench.vectorized.eligible import why_not

ADAM = {"name": "adam", "_target_": "torch.optim.Adam", "lr": 0.1, "betas": [0.9, 0.999], "amsgrad": False}
STOPPING = {"_target_": "pytorch_lightning.callbacks.EarlyStopping"}
PETS = {"_target_": "lossbench.data.images.pets.Pets"}
COUNTS = {"_target_": "lossbench.data.toys.ToyCounts"}
SCHEDULES = "lossbench.training.schedules"
DIGITS = ("data", {"name": "digits", "_target_": "lossbench.data.digits.Digits", "batch_size": 64})


@pytest.mark.parametrize(
    ("mention", "change"),
    [
        ("trainer.devices=2", ("trainer.devices", 2)),
        ("trainer.precision=bf16-mixed", ("trainer.precision", "bf16-mixed")),
        ("trainer.compile=True", ("trainer.compile", True)),
        ("checkpoint.every_n_steps=3", ("checkpoint.every_n_steps", 3)),
        ("profiler=x.Profiler", ("profiler", {"_target_": "x.Profiler"})),
        ("callbacks=early_stopping", ("callbacks.early_stopping", STOPPING)),
        ("augment:", ("augment.mixup", 0.2)),
        ("data=pets: images", ("data", {"name": "pets", "batch_size": 4, "root": "data", **PETS})),
        ("data=toy_counts: its task is count", ("data", {"name": "toy_counts", "batch_size": 4, **COUNTS})),
        ("scheduler=finetune", ("scheduler", {"name": "finetune", "_target_": f"{SCHEDULES}.Finetune"})),
        ("optimizer=rprop", ("optimizer", {"name": "rprop", "_target_": "torch.optim.Rprop", "lr": 1})),
        ("optimizer.amsgrad", ("optimizer.amsgrad", True)),
        ("logger=wandb", ("logger.wandb", {"_target_": "x.Wandb"})),
    ],
)
def test_reasons_name_the_key(mention: str, change: tuple[str, object]) -> None:
    good = (DIGITS, ("optimizer", ADAM), ("logger.tensorboard", {"_target_": "x.TensorBoard"}))
    assert why_not(config_with(*good)) is None
    reason = why_not(config_with(*good, change))
    assert reason is not None
    assert reason.startswith(mention), reason
