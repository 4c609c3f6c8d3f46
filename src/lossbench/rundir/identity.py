"""What decides a run's numbers: two configurations with the same identity are the same experiment."""

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from lossbench.config.plain import is_mapping, is_sequence

# Raised when a fix changes results, so that old results are not taken for new ones.
RESULT_VERSION = 3

DECIDES = (
    "data",
    "augment",
    "model",
    "weights",
    "features.views",
    "features.scale",
    "features.flip",
    "features.dtype",
    "head",
    "embeddings",
    "loss",
    "loss_lr",
    "optimizer",
    "scheduler",
    "callbacks",
    "yardsticks",
    "evaluate",
    "monitor",
    "fingerprint",
    "trainer.max_epochs",
    "trainer.max_steps",
    "trainer.precision",
    "trainer.devices",
    "trainer.num_nodes",
    "trainer.gradient_clip_val",
    "trainer.accumulate_grad_batches",
    "trainer.sync_batchnorm",
)
# Paths and other settings that change no number; the files count by their content (fingerprint, weights).
WHEREABOUTS: dict[str, tuple[str, ...]] = {
    "data": (
        "root",
        "download",
        "num_workers",
        "pin_memory",
        "cache_dir",
        "replicate",
        "train_list",
        "val_list",
        "test_list",
        "on_bad_image",
        "noise_file",
        "noise_matrix",
    ),
    "model": ("pretrained", "pretrained_match"),
    "model.backbone": ("pretrained", "pretrained_match"),
    "embeddings": ("path",),
}
# The same of our own data sets alone: settings of a user's data set may have these names too.
OWN_WHEREABOUTS: dict[str, tuple[str, ...]] = {"data": ("path", "x", "y")}
# Of our own classes the name counts, not the module: moving a file orphans no run.
OWN = "lossbench."
# What these are set to where they are off: like null, it does not count.
OFF: Mapping[str, object] = {
    "augment": {},
    "features.views": 1,
    "features.scale": [0.35, 1.0],
    "features.flip": 0.5,
    "features.dtype": "float32",
    "trainer.accumulate_grad_batches": 1,
    "trainer.sync_batchnorm": False,
    "data.interpolation": "bilinear",
}


def identity(config: Mapping[str, Any]) -> dict[str, Any]:
    """Pick from a resolved configuration what decides the run's numbers; neither its seed or replicate nor paths.

    Switched-off options (null) do not count: a new option that is off by default orphans no run. Neither does the
    module of a class of lossbench.

    Args:
        config: the resolved configuration with its data fingerprint.

    Returns:
        A plain nested dictionary of strings, floats rounded to 12 significant digits.
    """
    picked: dict[str, Any] = {"result_version": RESULT_VERSION}
    picked["replicates"] = config.get("replicate") is not None or None  # not which: all replicates are one experiment
    picked["trial"] = config.get("trial") is True or None
    for path in DECIDES:
        value: Any = config
        for part in path.split("."):
            value = value.get(part) if is_mapping(value) else None
        picked[path] = _deciding(value, path)
    return _canonical(picked)


def _deciding(value: Any, path: str) -> Any:
    """A value without whereabouts; None where it is what switches an option off."""
    if path in OFF and value == OFF[path]:
        return None
    if not is_mapping(value):
        return value
    own = str(value.get("_target_")).startswith(OWN)
    hidden = (*WHEREABOUTS.get(path, ()), *(OWN_WHEREABOUTS.get(path, ()) if own else ()))
    return {key: _deciding(item, f"{path}.{key}") for key, item in value.items() if key not in hidden}


def identity_hash(config: Mapping[str, Any]) -> str:
    """Hash the identity: 64 hexadecimal digits of SHA-256; the directory's name shows the first 8."""
    return sha256(json.dumps(identity(config), sort_keys=True).encode()).hexdigest()


def unit_folder(config: Mapping[str, Any]) -> str:
    """Name the folder of a run beside its siblings, which differ in the replicate, or in the seed, alone."""
    replicate = config.get("replicate")
    return f"seed{config.get('seed')}" if replicate is None else f"replicate{replicate}"


def with_targets_of(now: Any, config: Any) -> Any:
    """Copy a configuration, with the targets of another one where both name the same class of lossbench.

    Args:
        now: the configuration whose targets are up to date.
        config: the one to copy.
    """
    if is_sequence(config) and is_sequence(now):
        return [with_targets_of(*pair) for pair in zip(now, config, strict=True)] if len(now) == len(config) else config
    if not is_mapping(config) or not is_mapping(now):
        return config
    copied = {key: with_targets_of(now.get(key), item) for key, item in config.items()}
    if "_target_" in config and class_name(config["_target_"]) == class_name(now.get("_target_")):
        copied["_target_"] = now["_target_"]
    return copied


def class_name(target: Any) -> Any:
    """Give the name of a class of lossbench without its module; other targets whole."""
    return target.rpartition(".")[2] if isinstance(target, str) and target.startswith(OWN) else target


def differences(ours: object, theirs: object, path: str = "") -> list[str]:
    """List where two identities differ, one clause for each key."""
    if is_mapping(ours) and is_mapping(theirs):
        keys = sorted({*ours, *theirs})
        return [
            line for key in keys for line in differences(ours.get(key), theirs.get(key), f"{path}.{key}".lstrip("."))
        ]
    same = json.dumps(ours, sort_keys=True) == json.dumps(theirs, sort_keys=True)  # unlike ==, it tells True from 1
    return [] if same else [f"{path}: {theirs} -> {ours}"]


def _canonical(value: Any) -> Any:
    if is_mapping(value):
        kept = {str(key): _canonical(item) for key, item in value.items() if item is not None}
        if "_target_" in kept:
            kept["_target_"] = class_name(kept["_target_"])
        return kept
    if is_sequence(value):
        return [_canonical(item) for item in value]
    if not isinstance(value, float):
        return value
    # 1 and 1.0 are one setting, and a range gives 0.30000000000000004 where a person types 0.3
    rounded = float(f"{value:.12g}")
    return int(rounded) if rounded.is_integer() else rounded
