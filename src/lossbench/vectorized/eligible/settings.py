"""Which runs can be trained together. Torch-free."""

import json
from collections.abc import Iterable
from operator import attrgetter
from typing import Any

from lossbench.config.facts import build_source
from lossbench.config.parse import Node
from lossbench.config.schema import REPLICATE, RunConfig
from lossbench.data.images.image_source import ImageSource
from lossbench.data.source import OF_CLASSES
from lossbench.vectorized.eligible.images import why_not_images

# Settings that stacked runs may have of their own; everything else must be the same.
OWN = ("seed", REPLICATE, "loss", "study", "command")
OWN_NUMBERS = {
    "torch.optim.SGD": ("lr", "momentum", "weight_decay"),
    "torch.optim.Adam": ("lr", "betas", "eps", "weight_decay"),
    "torch.optim.AdamW": ("lr", "betas", "eps", "weight_decay"),
}
TAKEN = {"torch.optim.SGD": {"nesterov"}, "torch.optim.Adam": set[str](), "torch.optim.AdamW": set[str]()}
# Class -> where it is from, and settings that its stacked form has.
CALLBACKS = {
    "EMA": ("lossbench.training.callbacks.", {"decay"}),
    "EarlyStopping": (
        "pytorch_lightning.callbacks.",
        {
            "monitor",
            "mode",
            "patience",
            "min_delta",
            "strict",
            "check_finite",
            "stopping_threshold",
            "divergence_threshold",
        },
    ),
}
# Option -> the value with which the engine agrees, and what a stack does instead.
PLAIN: dict[str, tuple[Any, str]] = {
    "trainer.precision": ("32-true", "stacked runs compute in float32"),
    "trainer.accumulate_grad_batches": (1, "a stack computes each batch as a whole"),
    "trainer.sync_batchnorm": (False, "a stack is one process"),
    "trainer.channels_last": (False, "it is for images on GPUs"),
    "trainer.compile": (False, "it compiles one run at a time"),
    "profiler": (None, "one run at a time is profiled"),
    "checkpoint.every_n_steps": (None, "a stack is saved as a whole, every 20 seconds"),
}


def why_not(config: RunConfig) -> str | None:
    """Say why a run cannot be stacked with others, and with what it could be; None where it can.

    Args:
        config: the resolved configuration.

    Returns:
        "key=what was found: why; what stacks".
    """
    checks = (_why_not_setting, _why_not_callbacks, _why_not_data, _why_not_schedule, _why_not_optimizer)
    return next((reason for check in (*checks, _why_not_logger) if (reason := check(config))), None)


def _why_not_setting(config: RunConfig) -> str | None:
    for key in ("devices", "num_nodes"):
        if (count := getattr(config.trainer, key)) > 1:
            return f"trainer.{key}={count}: a stack is one process; trainer.{key}=1 stacks"
    for key, (plain, reason) in PLAIN.items():
        value = attrgetter(key)(config)
        if value != plain:
            return f"{key}={_typed(value)}: {reason}; {key}={_typed(plain)} stacks"
    return None


def _typed(value: object) -> str:
    """A value as it is typed."""
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _why_not_callbacks(config: RunConfig) -> str | None:
    known = list[str]()
    for name, node in config.callbacks.items():
        origin, takes = CALLBACKS.get(node.class_name, ("", set[str]()))
        if not origin or not node.target.startswith(origin):
            return f"callbacks={name}: {node.class_name} works on one run at a time; ema, early_stopping and none stack"
        if node.class_name in known:
            return f"callbacks={name}: stacked runs take one {node.class_name}; ~callbacks.{name} stacks"
        unknown = {key for key, value in node.settings.items() if value} - takes
        if unknown:
            return f"callbacks.{name}.{_without(node, min(unknown), f'callbacks.{name}')}"
        known.append(node.class_name)
    return None


def _why_not_data(config: RunConfig) -> str | None:
    source, name = build_source(config.data.source), config.data.name
    if source.task not in OF_CLASSES:
        return f"data={name}: its task is {source.task}; {', '.join(OF_CLASSES)} stack"
    if isinstance(source, ImageSource) and config.model.backbone is None:
        return why_not_images(config, source)
    return None


def _why_not_schedule(config: RunConfig) -> str | None:
    schedule = config.scheduler
    if schedule.target.startswith("lossbench.training.schedules."):
        return None
    return f"scheduler={schedule.name}: it is none of lossbench's schedules; scheduler=one_cycle stacks"


def _why_not_optimizer(config: RunConfig) -> str | None:
    optimizer = config.optimizer
    target = optimizer.target
    if target not in OWN_NUMBERS:
        return f"optimizer={optimizer.name}: it has no stacked form; {', '.join(_names(OWN_NUMBERS))} stack"
    unknown = {key for key, value in optimizer.settings.items() if value} - {*OWN_NUMBERS[target], *TAKEN[target]}
    if not unknown:
        return None
    return f"optimizer.{_without(optimizer, min(unknown), 'optimizer')}"


def _without(node: Node, key: str, where: str) -> str:
    """Refuse a setting of a class."""
    value = _typed(node.settings[key])
    return f"{key}={value}: the stacked {node.class_name} does not have it; ~{where}.{key} stacks"


def _names(targets: Iterable[str]) -> list[str]:
    return [target.rpartition(".")[2] for target in targets]


def _why_not_logger(config: RunConfig) -> str | None:
    other = set(config.logger) - {"tensorboard", "csv"}
    if not other:
        return None
    return f"logger={min(other)}: it follows one run at a time; logger=tensorboard, csv and none stack"


def group_of(config: RunConfig) -> str:
    """All that runs of one group have in common, as text.

    That is everything but the number of the replicate or the seed, the loss, and the numbers of the optimiser, of
    clipping and of averaging.
    """
    numbers = OWN_NUMBERS.get(config.optimizer.target, ())
    shared = {key: value for key, value in config.record.items() if key not in OWN}
    shared["optimizer"] = {key: value for key, value in config.optimizer.record.items() if key not in numbers}
    shared["data"] = {key: value for key, value in config.record["data"].items() if key != REPLICATE}
    shared["trainer"] = {**config.record["trainer"], "gradient_clip_val": None}
    shared["callbacks"] = {name: _without_numbers(node) for name, node in config.callbacks.items()}
    return json.dumps([config.kind, shared], sort_keys=True, default=repr)


def _without_numbers(callback: Node) -> dict[str, Any]:
    own = ("decay",) if callback.class_name == "EMA" else ()
    return {key: value for key, value in callback.record.items() if key not in own}
