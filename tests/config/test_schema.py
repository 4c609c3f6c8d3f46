"""What a configuration may say: every rule accepts what it should and refuses the rest in one line."""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

import pytest
from records import RECORD, config_with, record_with

from lossbench.config.compatible import check_losses, check_together
from lossbench.config.parse import READER
from lossbench.config.schema import RunConfig
from lossbench.config.sections import (
    Augment,
    Checkpoint,
    Data,
    EarlyStopping,
    Features,
    Head,
    Model,
    Optimizer,
    Trainer,
    WeightAverage,
)
from lossbench.errors import UserError

NO_NUMBER = [True, False, math.nan, math.inf, -math.inf, -1, "1", "", [1], {}]
NO_COUNT = [*NO_NUMBER, 1.0, 0.5, 2**32, 10**30]
AT_LEAST_1 = ([1, 7, 10**6], [*NO_COUNT, 0])
SWITCH = ([True, False], [None, 0, 1, "true", "yes", []])
POSITIVE = ([1e-8, 0.1, 1, 3], [*NO_NUMBER, 0, 0.0])
FRACTION = ([0, 0.0, 0.5, 0.999], [*NO_NUMBER, 1, 1.0, 2])
SHARE = ([0, 0.0, 0.5, 1, 1.0], [*NO_NUMBER, 1.01, 2])
WORDS = {"None": "null", "True": "true", "False": "false"}
# path: accepted values, refused values
VALUES: dict[str, tuple[list[Any], list[Any]]] = {
    "seed": ([0, 1, 2**32 - 1], [*NO_COUNT, None]),
    "replicate": ([None], NO_COUNT),
    "trial": ([False], SWITCH[1]),
    "study": (
        ["a", "A_1-b.c", "lr=0.1", "x" * 100],
        ["", ".hidden", "-x", "a/b", "../x", "a b", "a\n", "ä", "x" * 101, 3, None, True],
    ),
    "evaluate": (["last", "best"], ["", "Best", None, True, 0]),
    "keep_checkpoints": (["all", "last", "best", "none"], [None, True, "", []]),
    "save_predictions": (["auto", True, False], [None, 0, 1, "true", "Auto"]),
    "progress_bar": (["auto", True, False], [None, 0, 1, "true"]),
    "figures": (["auto", True, False], [None, 0, 1, "true"]),
    "log_every_n_steps": (AT_LEAST_1[0], [*AT_LEAST_1[1], None]),
    "loss_lr": ([*POSITIVE[0], None], POSITIVE[1]),
    "checkpoint.every_n_epochs": (AT_LEAST_1[0], [*AT_LEAST_1[1], None]),
    "checkpoint.every_n_steps": ([*AT_LEAST_1[0], None], AT_LEAST_1[1]),
    "trainer.max_epochs": (AT_LEAST_1[0], [*AT_LEAST_1[1], None]),
    "trainer.max_steps": ([*AT_LEAST_1[0], -1], [value for value in AT_LEAST_1[1] if value != -1] + [-2, -1.0, None]),
    "trainer.devices": ([1, 2, 4], [*AT_LEAST_1[1], None, "auto", 129]),
    "trainer.num_nodes": ([1, 2, 4], [*AT_LEAST_1[1], None, 10_001]),
    "trainer.accelerator": (["auto", "cpu", "gpu"], ["tpu", None, True, "GPU"]),
    "trainer.strategy": (["auto", "ddp"], ["dp", "deepspeed", None, 1]),
    "trainer.precision": (["32-true", "bf16-mixed"], [32, "32", "16", None]),
    "trainer.gradient_clip_val": ([*POSITIVE[0], None], POSITIVE[1]),
    "trainer.accumulate_grad_batches": ([1, 2, 4], [*AT_LEAST_1[1], None]),
    "trainer.sync_batchnorm": ([False], SWITCH[1]),
    "trainer.channels_last": SWITCH,
    "trainer.compile": SWITCH,
    "trainer.deterministic": ([True, False, "warn"], [None, 0, 1, "true"]),
    "trainer.threads": ([1, 7, 4096, "auto"], [*AT_LEAST_1[1], None, "all", 4097]),
    "data.batch_size": (AT_LEAST_1[0], [*AT_LEAST_1[1], None]),
    "data.num_workers": ([0, 1, 512, "auto"], [*NO_COUNT, None, "all", 100_000]),
    "data.cache": (["none", "disk", "gpu"], [None, True, "ram"]),
    "data.steps_per_epoch": ([*AT_LEAST_1[0], None], AT_LEAST_1[1]),
    "data.overfit_batches": ([0, 1, 5], [*NO_COUNT, None]),
    "data.limit_eval_batches": ([*AT_LEAST_1[0], None], AT_LEAST_1[1]),
    "data.sampler": (["balanced", None], ["weighted", True, 1, []]),
    "callbacks.ema.decay": (FRACTION[0], [*FRACTION[1], None]),
    "callbacks.early_stopping.patience": (AT_LEAST_1[0], [*AT_LEAST_1[1], None]),
    "callbacks.early_stopping.mode": (["min", "max"], ["down", None, 1]),
    "callbacks.early_stopping.min_delta": ([0, 0.1], [*NO_NUMBER, None]),
    "augment.flip": (SHARE[0], [*SHARE[1], None]),
    "augment.erasing": (SHARE[0], [*SHARE[1], None]),
    "augment.mixup": ([0, 0.2, 2], [*NO_NUMBER, None]),
    "augment.cutmix": ([0, 0.2, 2], [*NO_NUMBER, None]),
    "augment.label_smoothing": (FRACTION[0], [*FRACTION[1], None]),
    "head.num_features": ([1, 7, 10**5, None], [*AT_LEAST_1[1], 10**5 + 1]),
    "head.centers": ([1, 3, 1000], [*AT_LEAST_1[1], None, 1001]),
    "model.hidden": (
        [[], [1], [128, 64], [10**6]],
        [[10**11], [10**5, 10**5], None, 128, "128", [0], [-1], [1.0], [True], ["1"], [[1]]],
    ),
    "model.dropout": (FRACTION[0], [*FRACTION[1], None]),
    "model.bias": SWITCH,
    "optimizer.lr": (POSITIVE[0], [*POSITIVE[1], None, 1e39]),
    "optimizer.momentum": (FRACTION[0], [*FRACTION[1], None]),
    "optimizer.weight_decay": ([0, 1e-4, 2], [*NO_NUMBER, None]),
    "optimizer.eps": (POSITIVE[0], [*POSITIVE[1], None]),
    "optimizer.nesterov": ([False], [None, 0, 1, "true", []]),
    "features.views": ([1], [*AT_LEAST_1[1], None, 1001]),  # others need a backbone: test_feature_views.py
    "features.scale": ([[0.35, 1.0], [0.35, 1]], [None, 0.35, [0.35], [0, 1], [0.5, 0.4], [0.5, 1.1], ["0.35", 1]]),
    "features.flip": ([0.5], [*SHARE[1], None]),
    "features.dtype": (["float32"], [None, "float64", 32, True]),
    "optimizer.betas": (
        [[0.9, 0.999], [0, 0]],
        [None, 0.9, [0.9], [0.9, 1.0], [0.9, 0.9, 0.9], [-0.1, 0], [True, 0], ["0.9", 0], [math.nan, 0]],
    ),
}


def check(record: Mapping[str, Any]) -> None:
    """What planning checks before it reads any file."""
    config = RunConfig.of(record)
    check_together(config)
    if (reason := check_losses(config)) is not None:
        raise UserError(reason)


def refusal(*changes: tuple[str, object]) -> str:
    with pytest.raises(UserError) as caught:
        check(record_with(*changes))
    line = str(caught.value)
    assert "\n" not in line
    return line


def test_the_good_one_is_good() -> None:
    check(RECORD)


def rules_of(kind: Any, where: str = "") -> Iterator[str]:
    """The dotted names of all settings that have a rule."""
    for each in fields(kind):
        if READER in each.metadata:
            yield f"{where}{each.name}"
    yield from (f"{where}{name}" for name in getattr(kind, "rules", {}))


def test_every_rule_is_tried() -> None:
    parts = {"data": Data, "model": Model, "optimizer": Optimizer, "augment": Augment, "head": Head}
    parts |= {
        "callbacks.ema": WeightAverage,
        "callbacks.early_stopping": EarlyStopping,
        "trainer": Trainer,
        "checkpoint": Checkpoint,
        "features": Features,
    }
    found = {*rules_of(RunConfig)} | {name for where, kind in parts.items() for name in rules_of(kind, f"{where}.")}
    nodes = {"loss", "scheduler", "callbacks", "yardsticks", "logger", "profiler"}
    assert found - {*parts, *nodes, "weights", "fingerprint", "embeddings", "monitor"} == VALUES.keys()


@pytest.mark.parametrize(("path", "value"), [(path, value) for path, (good, _) in VALUES.items() for value in good])
def test_accepted(path: str, value: object) -> None:
    check(record_with(("data.batch_size", 4), ("data.image_size", 8), (path, value)))


@pytest.mark.parametrize(("path", "value"), [(path, value) for path, (_, bad) in VALUES.items() for value in bad])
def test_refused_naming_the_key_what_was_found_and_what_is_allowed(path: str, value: object) -> None:
    line = refusal((path, value))
    found = [value, *value] if isinstance(value, list) else [value]
    assert any(repr(part) in line for part in found) or line.startswith(f"{path}={WORDS.get(repr(value), value)} is")
    named = [WORDS.get(repr(good), good) for good in VALUES[path][0] if path != "study"]
    assert all(word in line for word in named if isinstance(word, str))


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ([("seed", -1)], "seed must be a whole number between 0 and 4294967295, got -1"),
        ([("trainer.max_epochs", 0)], "trainer.max_epochs must be a whole number >= 1, got 0"),
        (
            [("trainer.threads", "fast")],
            "trainer.threads must be a whole number >= 1, got 'fast'; auto is allowed too",
        ),
        (
            [("trainer.gradient_clip_val", 0)],
            "trainer.gradient_clip_val must be a number > 0, got 0; null is allowed too",
        ),
        ([("model.dropout", 1)], "model.dropout must be a number >= 0 and < 1, got 1"),
        ([("evaluate", "bset")], "evaluate=bset is not allowed; did you mean best? Available: best, last"),
        ([("progress_bar", None)], "progress_bar=null is not allowed; Available: auto, false, true"),
        ([("loss.alpha", -1)], "loss.alpha must be > 0, got -1"),
        (
            [("yardsticks.cross_entropy.label_smoothing", 1)],
            "yardsticks.cross_entropy.label_smoothing must be at least 0 and below 1, got 1",
        ),
        (
            [("data.batch_size", 6), ("trainer.devices", 2), ("trainer.num_nodes", 2)],
            "data.batch_size=6 counts examples over all 4 processes and must be a multiple of 4",
        ),
        (
            [("trainer.precision", "16-mixed")],
            "trainer.precision=16-mixed needs a GPU; use bf16-mixed or 32-true with trainer.accelerator=cpu",
        ),
        (
            [("monitor", "test/accuracy")],
            "monitor must be a validation metric such as val/accuracy or val/nll, got 'test/accuracy'",
        ),
        ([("monitor", None)], "monitor must be a validation metric such as val/accuracy or val/nll, got None"),
        (
            [("data.batch_size", 6), ("trainer.accumulate_grad_batches", 4)],
            "data.batch_size=6 counts the examples of a whole update and must be a multiple of 4 "
            "(trainer.accumulate_grad_batches times 1 processes)",
        ),
        (
            [("trainer.sync_batchnorm", True)],
            "trainer.sync_batchnorm=true needs GPUs: torch's SyncBatchNorm has no CPU form; use sync_batchnorm=false",
        ),
        (
            [("data.cache", "gpu"), ("data.image_size", 8), ("augment.transforms", [{}])],
            "augment.transforms work on one image at a time and data.cache=gpu on whole batches; use "
            "data.cache=disk, or augment=crop_flip",
        ),
        (
            [("model", {"name": "resnet18", "_target_": "lossbench.models.resnet.ResNet"})],
            "model=resnet18 takes colour images, and data=toy has none; use model=mlp or model=linear",
        ),
        (
            [("model.name", "linear_probe"), ("model.backbone", {"_target_": "lossbench.models.timm.Timm"})],
            "model=linear_probe takes colour images, and data=toy has none; use model=mlp or model=linear",
        ),
        (
            [
                ("scheduler._target_", "lossbench.training.schedules.Finetune"),
                ("model._target_", "lossbench.models.linear.Linear"),
            ],
            "scheduler=finetune needs a model with groups of layers, model=linear has none; use resnet18, 34, 50 or "
            "timm",
        ),
        ([("data.cache", "disk")], "data.cache=disk keeps images, and data=toy has none; use data.cache=none"),
        (
            [("data.num_workers", 100_000)],
            "data.num_workers must be a whole number between 0 and 512, got 100000: each is a process; "
            "auto is allowed too",
        ),
        (
            [("trainer.max_steps", 2**32)],
            f"trainer.max_steps must be a whole number between 1 and {2**32 - 1}, got {2**32}; -1 is allowed too",
        ),
        ([("model.name", 81 * "x")], f"model.name must be a name of at most 80 characters, got 81: '{81 * 'x'}'"),
        ([("optimizer.nesterov", True)], "optimizer.nesterov=true needs optimizer.momentum > 0, got 0"),
        ([("data.name", "../x")], "data.name must be a name of letters, digits, '_', '-', '.', got '../x'"),
        (
            [("optimizer", None)],
            "optimizer must say what to build (_target_), got None; choose one with optimizer=NAME",
        ),
        ([("trial", True)], "trial=true, but replicate=null: a trial is a run of a replicate"),
        (
            [("trial", True), ("replicate", 3), ("data.replicate", 3), ("seed", 3)],
            "seed=3, but trial of replicate=3, which decides the seed",
        ),
        ([("scheduler", {})], "scheduler must say what to build (_target_), got {}; choose one with scheduler=NAME"),
    ],
)
def test_the_line(changes: list[tuple[str, object]], line: str) -> None:
    assert refusal(*changes) == line


@pytest.mark.parametrize(
    "changes",
    [
        [("trainer.precision", "16-mixed"), ("trainer.accelerator", "gpu")],
        [("optimizer.nesterov", True), ("optimizer.momentum", 0.9)],
        [("data.batch_size", 8), ("trainer.devices", 2), ("trainer.num_nodes", 2)],
        [("monitor", "val/nll_scaled")],
    ],
)
def test_together_accepted(changes: list[tuple[str, object]]) -> None:
    check(record_with(*changes))


@pytest.mark.parametrize(
    "path", ["loss", "optimizer", "trainer", "yardsticks", "monitor", "data.batch_size", "trainer.devices"]
)
def test_what_was_removed_is_named(path: str) -> None:
    record = record_with()
    parent, _, last = path.rpartition(".")
    del (record[parent] if parent else record)[last]
    with pytest.raises(UserError, match=f"^the configuration lacks {path}, which every run has; leave ~{path} out$"):
        check(record)


def test_parts_are_read_by_name() -> None:
    config = config_with(("data.split_seed", 3), ("data.num_workers", "auto"), ("augment.mixup", 0.5))
    assert (config.seed, config.optimizer.lr, config.trainer.processes) == (3, 0.1, 1)
    assert config.loss.settings == {"alpha": 0.9, "beta": 1.0}
    assert (config.data.name, config.data.source.settings) == ("toy", {"split_seed": 3})
    assert config.data.loader == {
        "batch_size": 4,
        "num_workers": "auto",
        "cache": "none",
        "steps_per_epoch": None,
        "overfit_batches": 0,
        "limit_eval_batches": None,
        "sampler": None,
    }
    assert config.augment is not None
    assert config.head is None
    assert config.model.backbone is None


def test_a_backbone_is_no_setting_of_what_is_trained() -> None:
    config = config_with(("model.backbone", {"name": "resnet18", "_target_": "x.ResNet"}), ("model.bias", True))
    assert config.model.backbone is not None
    assert config.model.backbone.name == "resnet18"
    assert config.model.trained.settings == {"bias": True}


def test_a_loss_outside_its_region_is_invalid_and_a_wrong_value_is_a_mistake() -> None:
    assert check_losses(config_with()) is None
    assert str(check_losses(config_with(("loss.beta", 3.0)))).startswith("loss.beta must be within 0 and")
    with pytest.raises(UserError, match=r"^yardsticks\.cosine_prob\.beta must be within 0 and"):
        check_losses(config_with(("yardsticks.cosine_prob", record_with(("loss.beta", 3.0))["loss"])))


@pytest.mark.parametrize("value", ["x", [1], 3])
@pytest.mark.parametrize("group", ["logger", "callbacks", "yardsticks"])
def test_groups_of_nodes_are_mappings(group: str, value: object) -> None:
    with pytest.raises(UserError, match=rf"^{group} must hold settings by name, got {re.escape(repr(value))}$"):
        config_with((group, value))
