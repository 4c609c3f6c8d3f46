"""What the values of a file must be: kinds of plain values, and the check that names the one that is something else."""

import math
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from lossbench.config.plain import is_mapping, is_sequence
from lossbench.rundir.reading import WAY_OUT, DamagedError


class Kind(NamedTuple):
    """A kind of value.

    Args:
        is_right: whether a value is of this kind.
        words: for a message, "expected ... as NAME".
    """

    is_right: Callable[[Any], bool]
    words: str

    def or_null(self) -> "Kind":
        """The same, or null."""

        def is_right(value: Any) -> bool:
            return value is None or self.is_right(value)

        return Kind(is_right, f"{self.words} or null")


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_whole(value: Any) -> bool:
    return type(value) is int and value >= 0


def _is_bool(value: Any) -> bool:
    return isinstance(value, bool)


def _is_time(value: Any) -> bool:
    try:
        return isinstance(value, str) and datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False


TEXT = Kind(_is_text, "a text")
NUMBER = Kind(_is_number, "a number")
WHOLE = Kind(_is_whole, "a whole number")
TIME = Kind(_is_time, "a time such as 2026-01-01T08:00:00+00:00")
TRUE_OR_FALSE = Kind(_is_bool, "true or false")
SETTINGS = Kind(is_mapping, "settings by name")


def list_of(kind: Kind, words: str) -> Kind:
    """The kind of a list of values of one kind."""

    def is_right(value: Any) -> bool:
        return is_sequence(value) and all(map(kind.is_right, value))

    return Kind(is_right, words)


def by_name(kind: Kind, words: str, *required: str) -> Kind:
    """The kind of a mapping whose values are of one kind; some names may be required."""

    def is_right(value: Any) -> bool:
        return is_mapping(value) and all(name in value for name in required) and all(map(kind.is_right, value.values()))

    return Kind(is_right, words)


TEXTS = list_of(TEXT, "a list of texts")


def check_kinds(path: Path, found: Mapping[str, Any], kinds: Mapping[str, Kind], way_out: str = WAY_OUT) -> None:
    """Check the values of a file that are there.

    Raises:
        DamagedError: names the first one that is of another kind.
    """
    for name, kind in kinds.items():
        if name in found and not kind.is_right(found[name]):
            what = f"is damaged: expected {kind.words} as {name}, found {_short(found[name])}"
            raise DamagedError(path, what, way_out)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}..."
