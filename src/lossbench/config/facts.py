"""What a configuration's files say: the data's task and fingerprint, the weights a model starts from. Torch-free."""

import json
import os
from collections.abc import Callable
from hashlib import file_digest
from typing import Any

from lossbench.config.build import build
from lossbench.config.changes import split_changes
from lossbench.config.data_fit import DataKind, DataShape
from lossbench.config.parse import Node
from lossbench.config.plain import copied
from lossbench.config.schema import REPLICATE
from lossbench.config.sections import Model
from lossbench.config.values import path_text
from lossbench.config.weights_files import LITE0_SHA256, lite0_file
from lossbench.data.changes.settings import Changes
from lossbench.data.checks import check_settings, check_splits
from lossbench.data.source import OF_CLASSES, Source, replicated
from lossbench.errors import UserError, one_line


class Cache:
    """Compute once what many runs of a sweep share, such as the fingerprint of their data."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], Any] = {}

    def source(self, node: Node) -> Source:
        """Give a data set's description; what its replicates share is read once."""
        given, replicate = split_replicate(node)
        whole, changes = split_changes(given)
        key = ("source", json.dumps(whole.record, sort_keys=True, default=repr))
        if key not in self._known:
            built = build_source(whole)
            settled = json.dumps({**whole.record, **settled_of(built)}, sort_keys=True, default=repr)
            self._known[key] = self._known["source", settled] = built
        return _drawn(self._known[key], changes, replicate)

    def fingerprint(self, node: Node) -> str:
        """Check the examples and splits of a data set, once for each replicate, and give their fingerprint."""
        return self(lambda each: fingerprint_of(self.source(each), each.name), node)

    def __call__(self, function: Callable[[Any], Any], argument: Any) -> Any:
        """Give function(argument), computed at the first time."""
        plain = argument.record if isinstance(argument, Node) else argument
        key = (function.__name__, json.dumps(plain, sort_keys=True, default=repr))
        if key not in self._known:
            self._known[key] = function(argument)
        return copied(self._known[key])


def build_source(source: Node) -> Source:
    """Build the data set's description (torch-free) with the changes and the replicate that are recorded.

    Raises:
        UserError: a setting is not allowed.
    """
    given, replicate = split_replicate(source)
    whole, changes = split_changes(given)
    built = build(whole, "data")
    try:
        check_settings(built)
    except ValueError as error:
        raise UserError(f"data.{error}") from error
    return _drawn(built, changes, replicate)


def _drawn(source: Source, changes: Changes, replicate: int | None) -> Source:
    """Give a data set with changes, and with the splits of a replicate; it shares what is read with all others."""
    changed = source if changes.off else source.with_changes(changes)
    return changed if replicate is None else replicated(changed, replicate)


def split_replicate(source: Node) -> tuple[Node, int | None]:
    """Split what a record says of a data set into its settings, and which replicate of its splits it is."""
    settings = {key: value for key, value in source.record.items() if key != REPLICATE}
    return Node(settings), source.record.get(REPLICATE)


def settled_of(source: Source) -> dict[str, Any]:
    """Give the settings that were left open and that the data decide.

    Raises:
        UserError: the data cannot be read.
    """
    try:
        return dict(source.settled())
    except ValueError as error:
        raise UserError(f"data.{error}") from error


def kind_of(source: Source) -> DataKind:
    """Say what a data set is for, and whether it holds images; reads no examples, but a table may say the task.

    Raises:
        UserError: the table cannot be read.
    """
    try:
        changed = next((key for key in source.changes.settings() if key != "ordered"), "")
        return DataKind(source.task, hasattr(source, "image_size"), changed)
    except ValueError as error:
        raise UserError(f"data.{error}") from error


def fingerprint_of(source: Source, name: str) -> str:
    """Take the fingerprint of a data set: its examples and splits, of replicates the pool that all of them share.

    Args:
        source: the data set.
        name: what it is called on the command line.
    """
    try:
        check_splits(source)
        return source.fingerprint()
    except ValueError as error:
        raise UserError(f"data.{error}") from error
    except OSError as error:
        raise UserError(f"data={name} cannot be read: {one_line(error)}") from error


def shape_of(source: Source) -> DataShape:
    """Say the shape of a data set's examples and its classes, once its examples have been checked."""
    of_classes = source.task in OF_CLASSES
    names = tuple(source.class_names) if of_classes else ()
    return DataShape(tuple(source.input_shape), source.num_classes if of_classes else 0, names)


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
    if given is True and node.class_name == "Lite0":
        return {"sha256": _lite0(where)}
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


def _lite0(where: str) -> str:
    """Require the weights of EfficientNet-Lite0 to be on this machine."""
    try:
        lite0_file()
    except ValueError as error:
        raise UserError(f"{where}=lite0: {error}") from error
    return LITE0_SHA256
