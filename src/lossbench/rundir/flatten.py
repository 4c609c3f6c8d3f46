"""Nested settings as flat ones. Torch-free."""

from collections.abc import Mapping
from typing import Any

from lossbench.config.plain import is_mapping


def flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flatten nested settings to dotted names; lists stay lists."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        if is_mapping(value) and value:
            flat.update(flatten(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = value
    return flat
