"""Which runs can be trained together. Torch-free."""

import json
from collections.abc import Mapping
from typing import Any

from lossbench.config.resolve import build_source
from lossbench.data.images.source import ImageSource

# Settings that stacked runs may have of their own; everything else must be the same.
OWN = ("seed", "loss", "study", "command")
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


def why_not(config: Mapping[str, Any]) -> str | None:
    """Say why a run cannot be stacked with others, naming the key; None where it can.

    Args:
        config: the resolved configuration.
    """
    trainer = config["trainer"]
    if trainer["devices"] * trainer["num_nodes"] > 1:
        return f"trainer.devices={trainer['devices']}: a stack is one process"
    for key, (plain, reason) in PLAIN.items():
        value: Any = config
        for part in key.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        if value != plain:
            return f"{key}={value}: {reason}"
    if config["callbacks"]:
        return f"callbacks={','.join(config['callbacks'])}: callbacks progress one run"
    if config["augment"]:
        return "augment: images are varied one run at a time; augment=none, or model=linear_probe on images"
    source = build_source(config["data"])
    if isinstance(source, ImageSource) and "backbone" not in config["model"]:
        return f"data={config['data']['name']}: images are decoded one run at a time; model=linear_probe computes their features once"
    if source.task != "classification":
        return f"data={config['data']['name']}: its task is {source.task}, and stacked runs are classifiers"
    if not str(config["scheduler"]["_target_"]).startswith("lossbench.training.schedules.") or config["scheduler"][
        "_target_"
    ].endswith(".Finetune"):
        return f"scheduler={config['scheduler'].get('name')}: it treats layers differently"
    return _why_not_optimizer(config["optimizer"]) or _why_not_logger(config["logger"])


def _why_not_optimizer(optimizer: Mapping[str, Any]) -> str | None:
    target = str(optimizer["_target_"])
    if target not in OWN_NUMBERS:
        return f"optimizer={optimizer.get('name', target)}: stacked are {', '.join(name.rpartition('.')[2] for name in OWN_NUMBERS)}"
    unknown = {key for key, value in optimizer.items() if value} - {
        "name",
        "_target_",
        *OWN_NUMBERS[target],
        *TAKEN[target],
    }
    return f"optimizer.{min(unknown)}: the stacked optimisers do not have it" if unknown else None


def _why_not_logger(logger: Mapping[str, Any] | None) -> str | None:
    other = set(logger or {}) - {"tensorboard", "csv"}
    return f"logger={min(other)}: stacked runs write metrics.csv and TensorBoard's records" if other else None


def group_of(config: Mapping[str, Any]) -> str:
    """What runs of one stack have in common, as text: everything but seed, loss and the optimiser's numbers."""
    optimizer = config["optimizer"]
    numbers = OWN_NUMBERS.get(str(optimizer["_target_"]), ())
    shared = {key: value for key, value in config.items() if key not in OWN}
    shared["optimizer"] = {key: value for key, value in optimizer.items() if key not in numbers}
    return json.dumps(shared, sort_keys=True, default=repr)
