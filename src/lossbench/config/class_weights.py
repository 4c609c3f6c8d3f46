"""Class weights that are numbers only once the data are known: by a word, or by name. Torch-free."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from lossbench.config.plain import is_mapping
from lossbench.data.source import OF_CLASSES
from lossbench.errors import UserError, some, suggest

KEY = "weight"
WORDS = ("auto", "effective")
"""auto: by inverse frequency; effective: by the effective number of examples, both of the training split."""
ALLOWED = (
    "null, auto (by inverse frequency), effective (by the effective number of examples), numbers >= 0 of some classes "
    "by name ({cat: 5}; 1 of the others), or a list with one number >= 0 for each class and a positive sum"
)


def needs_data(value: object) -> bool:
    """Whether weights are numbers only once the data are known."""
    return isinstance(value, str) or is_mapping(value)


def check_weight(value: object) -> None:
    """Check weights that need the data, as far as that can be done without them.

    Raises:
        ValueError: they are no word, and no numbers by class name.
    """
    known = value in WORDS if isinstance(value, str) else is_mapping(value) and _are_weights([*value.values()])
    if not known:
        hint = f"; {suggest(value, WORDS)}" if isinstance(value, str) else ""
        raise ValueError(f"{KEY} must be {ALLOWED}, got {value!r}{hint}")


def _are_weights(numbers: Sequence[Any]) -> bool:
    plain = [w for w in numbers if isinstance(w, int | float) and not isinstance(w, bool) and 0 <= w < math.inf]
    return bool(numbers) and len(plain) == len(numbers)


def check_weight_task(where: str, value: object, task: str, data: str) -> None:
    """Refuse weights that need classes, or labels, where the task has none.

    Raises:
        UserError: names the key and the task.
    """
    if needs_data(value) and task not in OF_CLASSES:
        raise UserError(
            f"{where}.{KEY}={_shown(value)} is about the examples of each class, and the task of data={data} is "
            f"{task}; use null, or a list with one number for each class"
        )


def check_weight_names(where: str, value: object, names: Sequence[str], data: str) -> None:
    """Check that weights by name are of classes that the data have.

    Raises:
        UserError: names the class and those like it.
    """
    if not is_mapping(value):
        return
    if unknown := [str(name) for name in value if str(name) not in names]:
        raise UserError(f"{where}.{KEY}: data={data} has no class {some(unknown)}; {suggest(unknown[0], names)}")
    if len(value) == len(names) and not any(value.values()):
        raise UserError(f"{where}.{KEY} weighs every class 0; give one of them a number > 0")


def named_weights(value: Mapping[Any, float], names: Sequence[str]) -> list[float]:
    """Give the weight of each class; 1 of those that are not named: (C,)."""
    given = {str(name): float(weight) for name, weight in value.items()}
    return [given.get(name, 1.0) for name in names]


def without_weights(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Give the settings of a loss that need no data: without class weights by a word or by name."""
    return {**settings, KEY: None} if needs_data(settings.get(KEY)) else dict(settings)


def _shown(value: object) -> str:
    return value if isinstance(value, str) else "{...}"
