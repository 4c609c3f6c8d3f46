"""What is changed in a data set, as its record says it: `data.label_noise` and the like. Torch-free."""

from collections.abc import Mapping
from typing import Any

from lossbench.config.build import own_settings
from lossbench.config.custom import is_custom
from lossbench.config.parse import Node
from lossbench.config.plain import is_mapping
from lossbench.data.changes.settings import KEYS, Changes
from lossbench.data.source import Source
from lossbench.errors import UserError


def split_changes(source: Node) -> tuple[Node, Changes]:
    """Split the record of a data set into what its class is built with, and the changes of it.

    A setting of the class itself that has the name of a change, such as images_per_class, is the class's.

    Raises:
        UserError: a value is not allowed.
    """
    own = own_settings(source, "data", KEYS)
    changes = {key: value for key, value in source.record.items() if key in KEYS and key not in own}
    unset = [key for key in own if is_custom(source.record) and source.record.get(key) is None]  # its own default
    left = {*changes, *unset}
    try:
        return Node({key: value for key, value in source.record.items() if key not in left}), Changes.of(changes)
    except ValueError as error:
        raise UserError(f"data.{error}") from error


def without_all(record: object) -> object:
    """Give the record of a data set with images_per_class=all as null, which means the same."""
    if not is_mapping(record) or record.get("images_per_class") != "all":
        return record
    return {**record, "images_per_class": None}


def with_settled_changes(record: Mapping[str, Any], source: Source) -> dict[str, Any]:
    """Give the record of a data set with the changes that change something, and without all others.

    Args:
        record: of the data set.
        source: what was built of it.
    """
    own, _ = split_changes(Node(record))
    return {**own.record, **source.changes.settings()}
