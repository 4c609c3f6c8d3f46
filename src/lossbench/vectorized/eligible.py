"""Which runs can be trained together. Torch-free."""

import json
from operator import attrgetter
from typing import Any

from lossbench.config.facts import build_source
from lossbench.config.schema import REPLICATE, RunConfig
from lossbench.data.images.image_source import ImageSource
from lossbench.data.source import OF_CLASSES

# Settings that stacked runs may have of their own; everything else must be the same.
OWN = ("seed", REPLICATE, "loss", "study", "command")
OWN_NUMBERS = {
    "torch.optim.SGD": ("lr", "momentum", "weight_decay"),
    "torch.optim.Adam": ("lr", "betas", "eps", "weight_decay"),
    "torch.optim.AdamW": ("lr", "betas", "eps", "weight_decay"),
}
TAKEN = {"torch.optim.SGD": {"nesterov"}, "torch.optim.Adam": set[str](), "torch.optim.AdamW": set[str]()}
# Option -> the value with which the engine agrees, and what to do about another one.
PLAIN: dict[str, tuple[Any, str]] = {
    "trainer.precision": ("32-true", "stacked runs compute in float32"),
    "trainer.gradient_clip_val": (None, "clipping works on one run's gradients"),
    "trainer.accumulate_grad_batches": (1, "batches are not split"),
    "trainer.sync_batchnorm": (False, "there is one process"),
    "trainer.channels_last": (False, "it is for images on GPUs"),
    "trainer.compile": (False, "one run at a time is compiled"),
    "profiler": (None, "one run at a time is profiled"),
    "checkpoint.every_n_steps": (None, "a stack is saved as a whole"),
}


def why_not(config: RunConfig) -> str | None:
    """Say why a run cannot be stacked with others, naming the key; None where it can.

    Args:
        config: the resolved configuration.
    """
    checks = (_why_not_setting, _why_not_data, _why_not_schedule, _why_not_optimizer, _why_not_logger)
    return next((reason for check in checks if (reason := check(config))), None)


def _why_not_setting(config: RunConfig) -> str | None:
    if config.trainer.processes > 1:
        return f"trainer.devices={config.trainer.devices}: a stack is one process"
    for key, (plain, reason) in PLAIN.items():
        value = attrgetter(key)(config)
        if value != plain:
            return f"{key}={value}: {reason}"
    if config.callbacks:
        return f"callbacks={','.join(config.callbacks)}: callbacks work on one run at a time"
    return None


def _why_not_data(config: RunConfig) -> str | None:
    if config.augment:
        return "augment: images are varied one run at a time; augment=none, or model=linear_probe on images"
    source, name = build_source(config.data.source), config.data.name
    if isinstance(source, ImageSource) and config.model.backbone is None:
        return f"data={name}: images are decoded one run at a time; model=linear_probe computes their features once"
    if source.task not in OF_CLASSES:
        return f"data={name}: its task is {source.task}, and stacked runs are classifiers"
    return None


def _why_not_schedule(config: RunConfig) -> str | None:
    schedule = config.scheduler
    if not schedule.target.startswith("lossbench.training.schedules.") or schedule.class_name == "Finetune":
        return f"scheduler={schedule.name}: it treats layers differently"
    return None


def _why_not_optimizer(config: RunConfig) -> str | None:
    optimizer = config.optimizer
    target = optimizer.target
    if target not in OWN_NUMBERS:
        return f"optimizer={optimizer.name}: stacked are {', '.join(name.rpartition('.')[2] for name in OWN_NUMBERS)}"
    unknown = {key for key, value in optimizer.settings.items() if value} - {*OWN_NUMBERS[target], *TAKEN[target]}
    return f"optimizer.{min(unknown)}: the stacked optimisers do not have it" if unknown else None


def _why_not_logger(config: RunConfig) -> str | None:
    other = set(config.logger) - {"tensorboard", "csv"}
    return f"logger={min(other)}: stacked runs write metrics.csv and TensorBoard's records" if other else None


def group_of(config: RunConfig) -> str:
    """All that runs of one group have in common, as text.

    That is everything but the number of the replicate or the seed, the loss and the optimiser's numbers.
    """
    numbers = OWN_NUMBERS.get(config.optimizer.target, ())
    shared = {key: value for key, value in config.record.items() if key not in OWN}
    shared["optimizer"] = {key: value for key, value in config.optimizer.record.items() if key not in numbers}
    shared["data"] = {key: value for key, value in config.record["data"].items() if key != REPLICATE}
    return json.dumps([config.kind, shared], sort_keys=True, default=repr)
