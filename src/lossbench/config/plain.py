"""Plain containers, told apart for the type checker too. Torch-free."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard, cast

SCALARS = frozenset((str, int, float, bool, type(None)))


def is_mapping(value: object) -> TypeGuard[Mapping[str, Any]]:
    """Whether it holds values by name."""
    kind = type(value)  # asked of every value of every run: isinstance takes ten times as long
    return kind is dict or (kind not in SCALARS and isinstance(value, Mapping))


def is_sequence(value: object) -> TypeGuard[Sequence[Any]]:
    """Whether it is a list or a tuple."""
    return isinstance(value, list | tuple)


def copied(value: Any) -> Any:
    """Copy plain containers and all that are in them; other values are shared."""
    if type(value) is dict:
        return {key: copied(item) for key, item in cast(dict[Any, Any], value).items()}
    if type(value) is list:
        return [copied(item) for item in cast(list[Any], value)]
    return value
