"""From what the user typed to a planned run directory, without importing anything heavy."""

import copy
import json
import os
from collections.abc import Callable, Mapping
from hashlib import file_digest
from pathlib import Path
from typing import Any

from lossbench.config import custom
from lossbench.config.build import build, check_targets
from lossbench.config.schema import check, check_fit
from lossbench.data.embeddings import embeddings_of
from lossbench.data.source import Source
from lossbench.errors import InvalidCellError, UserError
from lossbench.rundir.directory import RunDirectory, plan

NEEDED = (
    *(
        "data",
        "augment",
        "model",
        "weights",
        "head",
        "loss",
        "optimizer",
        "scheduler",
        "callbacks",
        "yardsticks",
        "trainer",
        "logger",
        "checkpoint",
    ),
    *("seed", "study", "fingerprint", "evaluate", "monitor", "keep_checkpoints", "save_predictions"),
    *("figures", "log_every_n_steps", "progress_bar", "profiler"),
)
LOADER = ("batch_size", "num_workers", "steps_per_epoch", "overfit_batches", "limit_eval_batches", "cache")
# Of this command, not of the run: they are not written to config.yaml.
COMMAND_ONLY = ("runs_dir", "force")


def build_source(data: Mapping[str, Any]) -> Source:
    """Build the data set's description (torch-free); its settings are checked."""
    return build({key: value for key, value in data.items() if key not in LOADER}, "data")


class Cache:
    """Ask once what many runs of a sweep share, such as the fingerprint of their data."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], Any] = {}

    def __call__(self, function: Callable[[Any], Any], argument: Any) -> Any:
        """Give function(argument), computed at the first time."""
        key = (function.__name__, json.dumps(argument, sort_keys=True, default=repr))
        if key not in self._known:
            self._known[key] = function(argument)
        return copy.deepcopy(self._known[key])


def resolve(
    config: Mapping[str, Any], load_yardstick: Callable[[str], Mapping[str, Any]], cache: Cache | None = None
) -> dict[str, Any]:
    """Check a composed configuration and complete it: yardsticks by name become losses, the data get a fingerprint.

    Args:
        config: composed and interpolated, in plain containers.
        load_yardstick: gives the configuration of a loss by its name.
        cache: remembers what earlier runs of a sweep have found out.

    Returns:
        The configuration as config.yaml holds it.

    Raises:
        UserError: a value is not allowed.
        InvalidCellError: the loss is not defined for its hyper-parameters; holds the configuration.
    """
    cache, invalid = cache or Cache(), None
    names = config["yardsticks"]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise UserError(f"yardsticks must be a list of losses such as [cross_entropy,cosine_prob], got {names!r}")
    whole = {key: value for key, value in config.items() if key not in COMMAND_ONLY}
    whole["yardsticks"] = {name: dict(cache(load_yardstick, name)) for name in names}
    whole["augment"] = whole["augment"] or {}
    for group in custom.BASES:
        if isinstance(whole[group], Mapping):
            whole[group] = custom.complete(whole[group], group)
    check_targets(whole)
    try:
        check(whole)
    except InvalidCellError as error:
        invalid = error
    check_fit(whole, cache(task_of, whole["data"]))
    if whole["augment"]:
        build(
            {**whole["augment"], "transforms": []}, "augment"
        )  # its other settings are checked; transforms would import torchvision
    whole["weights"] = cache(weights_of, whole["model"])
    whole["embeddings"] = embeddings_of(whole)
    whole["fingerprint"] = cache(fingerprint_of, whole["data"])
    if invalid is not None:
        raise InvalidCellError(str(invalid), whole)
    return whole


def task_of(data: Mapping[str, Any]) -> str:
    """Say what a data set is for, such as "classification" or "regression"."""
    return build_source(data).task


def fingerprint_of(data: Mapping[str, Any]) -> str:
    """Take the fingerprint of a data set: its examples and splits."""
    try:
        return build_source(data).fingerprint()
    except ValueError as error:
        raise UserError(f"data.{error}") from error


def weights_of(model: Mapping[str, Any], where: str = "model") -> dict[str, str] | None:
    """Say which pretrained weights a model starts from: a file by the hash of its content, wherever it lies; None for none.

    Raises:
        UserError: the file is missing.
    """
    if "backbone" in model:
        return weights_of(model["backbone"], f"{where}.backbone")
    given = model.get("pretrained") or None
    if given in (None, True):
        return None if given is None else {"published": str(model.get("architecture", model["name"]))}
    if not isinstance(given, str):
        raise UserError(f"{where}.pretrained must be true, false or a file of weights, got {given!r}")
    try:
        with open(os.path.expanduser(given), "rb") as file:
            return {"sha256": file_digest(file, "sha256").hexdigest()}
    except OSError as error:
        raise UserError(
            f"{where}.pretrained={given} cannot be read: {error.strerror}; give true, false or a file of weights"
        ) from error


def prepare(
    config: Mapping[str, Any], load_yardstick: Callable[[str], Mapping[str, Any]], command: list[str]
) -> RunDirectory:
    """Give a composed configuration its run directory: found when the same experiment is there, planned otherwise."""
    runs_dir, force = place(config)
    return plan(resolve(config, load_yardstick), runs_dir, force=force, command=command)


def place(config: Mapping[str, Any]) -> tuple[Path, bool]:
    """Say where the runs of a composed configuration lie, and whether they are to be made anew.

    Raises:
        UserError: runs_dir or force has a wrong value.
    """
    if config["runs_dir"] in (None, ""):
        raise UserError(
            f"runs_dir must be a folder such as runs, got {config['runs_dir']!r} (LOSSBENCH_RUNS sets it too)"
        )
    if not isinstance(config["force"], bool):
        raise UserError(f"force must be true or false, got {config['force']!r}")
    return Path(os.path.expanduser(str(config["runs_dir"]))), config["force"]


def verify(run: RunDirectory, cache: Cache | None = None) -> None:
    """Check a planned directory before it runs: safe targets, values, an unedited config.yaml, the same data and weights.

    Args:
        run: the directory.
        cache: remembers what has been found out for other runs that start now.

    Raises:
        UserError: says which of these fails and what to do.
    """
    verify_config(run)
    cache = cache or Cache()
    if (weights := cache(weights_of, run.config["model"])) != run.config["weights"]:
        raise UserError(
            f"the pretrained weights of {run.path} have changed since it was planned ({run.config['weights']}, now {weights})"
        )
    if (embeddings := embeddings_of(run.config)) != run.config.get("embeddings"):
        raise UserError(
            f"the class embeddings of {run.path} have changed since it was planned ({run.config['embeddings']}, now {embeddings})"
        )
    now = cache(fingerprint_of, run.config["data"])
    if now != run.config["fingerprint"]:
        raise UserError(
            f"the data of {run.path} have changed since it was planned (fingerprint {run.config['fingerprint']}, now {now}); "
            "restore them, or start a new run with train.py"
        )


def verify_config(run: RunDirectory) -> None:
    """Check the configuration of a planned directory alone: safe targets, values, an unedited config.yaml.

    Raises:
        UserError: says which of these fails and what to do.
    """
    run.check_version()
    missing = [key for key in NEEDED if key not in run.config]
    if missing:
        raise UserError(f"{run.path / 'config.yaml'} lacks {', '.join(missing)}; plan the run again with train.py")
    check_targets(run.config)
    run.verify()
    check(run.config)
    custom.verify(run.config, run.path)
    check_fit(run.config, task_of(run.config["data"]))
