"""From what the user typed to a planned run directory, without importing anything heavy."""

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from lossbench.config import custom
from lossbench.config.build import build, check_targets
from lossbench.config.changes import with_settled_changes, without_all
from lossbench.config.compatible import check_losses, check_together
from lossbench.config.data_fit import check_kind, check_shape
from lossbench.config.facts import Cache, kind_of, shape_of, weights_of
from lossbench.config.inside import check_inside
from lossbench.config.installed import check_installed
from lossbench.config.label_matrix import with_matrix
from lossbench.config.parse import required
from lossbench.config.plain import is_mapping, is_sequence
from lossbench.config.preprocessing import seen_by, whole_network, with_own_settings, with_preprocessing
from lossbench.config.replicate import with_replicate
from lossbench.config.schema import RunConfig, missing_key
from lossbench.config.searched import without_ranges
from lossbench.config.sections import Checkpoint, Data, Embeddings, Features, Trainer
from lossbench.config.values import path_text
from lossbench.data.embeddings import embeddings_of
from lossbench.errors import UserError, suggest
from lossbench.rundir.directory import RunDirectory
from lossbench.rundir.flatten import flatten
from lossbench.rundir.planning import is_planned, plan

# Of this command, not of the run: they are not written to config.yaml.
COMMAND_ONLY = ("runs_dir", "force", "plan", "search", "trials", "budget", "parent")
# What is monitored of classifiers unless something else is typed, by the change of the data that decides it.
MONITORED, MONITORED_OF = "val/accuracy", {"ordered": "val/mae", "imbalance": "val/balanced_accuracy"}
# Read from files, after everything that is typed has been checked.
FROM_FILES: Mapping[str, Any] = {"weights": None, "embeddings": None, "fingerprint": ""}


Check = Callable[[RunConfig], None]
"""Raises UserError for a configuration that cannot be run."""


def accept(config: RunConfig) -> None:
    """The check that refuses nothing."""


def resolve(
    composed: Mapping[str, Any],
    load_yardstick: Callable[[str], Mapping[str, Any]],
    cache: Cache | None = None,
    check_supported: Check = accept,
) -> RunConfig:
    """Check a composed configuration and complete it: yardsticks by name become losses, the data get a fingerprint.

    Args:
        composed: composed and interpolated, in plain containers.
        load_yardstick: gives the configuration of a loss by its name.
        cache: remembers what earlier runs of a sweep have found out.
        check_supported: refuses what the launcher, or this machine, cannot run; asked before any file is read.

    Returns:
        The configuration; its record is what config.yaml holds. It says itself when its loss is `invalid`.

    Raises:
        UserError: a value is not allowed.
    """
    cache = cache or Cache()
    _require_keys(composed)
    record = _completed(composed, load_yardstick, cache)
    check_targets(record)
    check_inside(record)
    config = RunConfig.of({**record, **FROM_FILES})
    check_together(config)
    check_supported(config)
    check_installed(config)
    invalid = check_losses(config)  # last: a cell of a sweep is invalid only where nothing else is wrong
    source = cache.source(config.data.source)
    record["data"] = with_settled_changes({**record["data"], **source.settled()}, source)
    config = replace(config, data=Data.read("data", record["data"]))
    check_kind(config, kind_of(source))
    _check_values(config)
    record["weights"] = cache(weights_of, config.model)
    record["fingerprint"] = cache.fingerprint(config.data.source)
    shape = shape_of(source)
    record["embeddings"] = embeddings_of(record, shape.num_classes)
    embeddings = Embeddings.read("embeddings", record["embeddings"])
    check_shape(replace(config, embeddings=embeddings), shape)
    return replace(
        config,
        record=record,
        weights=record["weights"],
        embeddings=embeddings,
        fingerprint=record["fingerprint"],
        invalid=invalid,
    )


def _check_values(config: RunConfig) -> None:
    """Build what imports nothing heavy: its values are checked then; and refuse what result.json cannot hold."""
    if config.scheduler.target.startswith("lossbench.training.schedules."):
        build(config.scheduler, "scheduler")
    if config.augment:  # its transforms would import torchvision
        build({**config.augment.record, "transforms": []}, "augment")
    for key, value in flatten(config.record).items():
        if isinstance(value, float) and not math.isfinite(value):
            raise UserError(f"{key} must be a finite number, got {value!r}")


def _require_keys(composed: Mapping[str, Any]) -> None:
    """Refuse a configuration from which ~KEY took what every run has, or to which +KEY added what no run reads.

    Raises:
        UserError: names the key.
    """
    missing = [key for key in (*required(RunConfig), *COMMAND_ONLY) if key not in (*composed, *FROM_FILES)]
    if missing:
        raise missing_key(missing[0])
    for section, kind in (("trainer", Trainer), ("checkpoint", Checkpoint), ("features", Features)):
        known = [each.name for each in fields(kind)]
        for key in composed[section] if is_mapping(composed.get(section)) else ():
            if key not in known:
                raise UserError(f"{section}.{key} does not exist; {suggest(key, known)}")


def _completed(
    composed: Mapping[str, Any], load_yardstick: Callable[[str], Mapping[str, Any]], cache: Cache
) -> dict[str, Any]:
    """The record of a run: without the command's own settings, with yardsticks and the hashes of the user's files."""
    names = _yardsticks_of(composed)
    record = {key: value for key, value in with_replicate(composed).items() if key not in COMMAND_ONLY}
    record["yardsticks"] = {name: dict(cache(load_yardstick, name)) for name in names}
    record["augment"] = record["augment"] or {}
    record["model"] = whole_network(record["model"])
    if is_mapping(record["loss"]):
        record["loss"] = with_matrix(without_ranges(record["loss"]))
    record["data"] = without_all(record["data"])
    for group in custom.BASES:
        if is_mapping(record[group]):
            record[group] = custom.complete(record[group], group)
    seen = seen_by(record["model"])
    record["data"] = with_preprocessing(with_own_settings(record["data"], seen), seen)
    if record["monitor"] is None:
        record["monitor"] = _default_monitor(record["data"])
    return record


def _default_monitor(data: Mapping[str, Any]) -> str:
    found = (name for key, name in MONITORED_OF.items() if data.get(key) not in (None, False))
    return next(found, MONITORED)


def _yardsticks_of(composed: Mapping[str, Any]) -> Sequence[str]:
    names = composed["yardsticks"]
    if not is_sequence(names) or not all(isinstance(name, str) for name in names):
        raise UserError(f"yardsticks must be a list of losses such as [cross_entropy,cosine_prob], got {names!r}")
    return names


def prepare(
    composed: Mapping[str, Any],
    load_yardstick: Callable[[str], Mapping[str, Any]],
    command: list[str],
    *,
    check_supported: Check = accept,
    try_out: Check = accept,
) -> RunDirectory:
    """Give a composed configuration its run directory: found when the same experiment is there, planned otherwise.

    Args:
        composed: composed and interpolated, in plain containers.
        load_yardstick: gives the configuration of a loss by its name.
        command: what the user typed, for the record.
        check_supported: refuses what this machine cannot run.
        try_out: called before anything is written, where there is no such directory yet or it is made anew.

    Raises:
        UserError: a value is not allowed, or the loss is not defined for its hyper-parameters.
    """
    config = resolve(composed, load_yardstick, check_supported=check_supported)
    runs_dir, force = place(composed)
    if config.invalid is not None:
        raise UserError(config.invalid)
    if force or not is_planned(config, runs_dir):
        try_out(config)
    return plan(config, runs_dir, force=force, command=command)


def wants_plan(composed: Mapping[str, Any]) -> bool:
    """Whether a composed configuration is to be planned only.

    Raises:
        UserError: plan is neither true nor false.
    """
    if not isinstance(plan_only := composed["plan"], bool):
        raise UserError(f"plan must be true or false, got {plan_only!r}")
    return plan_only


def place(composed: Mapping[str, Any]) -> tuple[Path, bool]:
    """Say where the runs of a composed configuration lie, and whether they are to be made anew.

    Raises:
        UserError: runs_dir or force has a wrong value.
    """
    runs_dir, force = composed["runs_dir"], composed["force"]
    try:
        path_text("runs_dir", runs_dir, "a folder such as runs")
    except ValueError as error:
        raise UserError(f"{error} (LOSSBENCH_RUNS sets it too)") from None
    if not isinstance(force, bool):
        raise UserError(f"force must be true or false, got {force!r}")
    folder = Path(os.path.expanduser(runs_dir))
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not there.is_dir():
        raise UserError(
            f"cannot write {folder}: {there} is no folder; choose another with runs_dir=PATH or LOSSBENCH_RUNS"
        )
    return folder, force
