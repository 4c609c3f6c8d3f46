"""What a configuration's files say: the data's task and fingerprint, the weights a model starts from. Torch-free."""

import copy
import json
import os
from collections.abc import Callable
from hashlib import file_digest
from typing import Any

from lossbench.config.build import build
from lossbench.config.data_fit import DataKind, DataShape
from lossbench.config.parse import Node
from lossbench.config.schema import Model
from lossbench.config.values import path_text
from lossbench.data.source import Source, check_splits
from lossbench.errors import UserError, one_line


class Cache:
    """Compute once what many runs of a sweep share, such as the fingerprint of their data."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], Any] = {}

    def __call__(self, function: Callable[[Any], Any], argument: Any) -> Any:
        """Give function(argument), computed at the first time."""
        plain = argument.record if isinstance(argument, Node) else argument
        key = (function.__name__, json.dumps(plain, sort_keys=True, default=repr))
        if key not in self._known:
            self._known[key] = function(argument)
        return copy.deepcopy(self._known[key])


def build_source(source: Node) -> Source:
    """Build the data set's description (torch-free); its settings are checked."""
    return build(source, "data")


def kind_of(source: Node) -> DataKind:
    """Say what a data set is for, and whether it holds images; reads no examples."""
    built = build_source(source)
    return DataKind(built.task, hasattr(built, "image_size"))


def fingerprint_of(source: Node) -> str:
    """Take the fingerprint of a data set: its examples and splits."""
    built = build_source(source)
    try:
        check_splits(built)
        return built.fingerprint()
    except ValueError as error:
        raise UserError(f"data.{error}") from error
    except OSError as error:
        raise UserError(f"data={source.name} cannot be read: {one_line(error)}") from error


def shape_of(source: Node) -> DataShape:
    """Say the shape of a data set's examples and its classes, once its examples have been checked."""
    built = build_source(source)
    return DataShape(tuple(built.input_shape), built.num_classes if built.task == "classification" else 0)


def weights_of(model: Model) -> dict[str, str] | None:
    """Say which pretrained weights a model starts from: a file by the hash of its content; None for none.

    Raises:
        UserError: the file is missing.
    """
    if model.backbone is not None:
        return _weights_of(model.backbone, "model.backbone")
    return _weights_of(model, "model")


def _weights_of(node: Node, where: str) -> dict[str, str] | None:
    given = node.settings.get("pretrained") or None
    if given is None:
        return None
    if given is True:
        return {"published": str(node.settings.get("architecture", node.name))}
    try:
        path_text(f"{where}.pretrained", given, "true, false or a file of weights")
    except ValueError as error:
        raise UserError(str(error)) from error
    try:
        with open(os.path.expanduser(given), "rb") as file:
            return {"sha256": file_digest(file, "sha256").hexdigest()}
    except OSError as error:
        raise UserError(
            f"{where}.pretrained={given} cannot be read: {error.strerror}; give true, false or a file of weights"
        ) from error
