"""Data sets whose classes are declared to have an order: their task is ordinal. Torch-free."""

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np

from lossbench.data.split import ONE_CLASS, Split
from lossbench.errors import some, suggest

Order = tuple[str, ...] | None
"""The names of all classes from the lowest to the highest; None is their own order."""


@lru_cache
def ordered_kind(kind: Any, order: Order) -> Any:
    """Give the class of a data set with ordered classes: a subclass that says another task, names and indices.

    Args:
        kind: of the data set, a `Source`.
        order: of its classes.
    """

    class Ordered(kind):
        @property
        def task(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
            own = vars(self).get("task", super().task)  # of some data sets it is the instance that has it
            if own not in ONE_CLASS:
                raise ValueError(f"ordered puts classes in order, and the task of the data is {own}; leave it out")
            return "ordinal"

        @property
        def own_names(self) -> tuple[str, ...]:
            return tuple(vars(self).get("class_names", super().class_names))

        @property
        def class_names(self) -> tuple[str, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
            return self.own_names if order is None else _checked(order, self.own_names)

        def in_order(self, splits: Mapping[str, Split]) -> Mapping[str, Split]:
            if order is None:
                return splits
            place = {name: k for k, name in enumerate(self.class_names)}
            index = np.array([place[name] for name in self.own_names], dtype=np.int64)
            return {name: replace(split, targets=index[split.targets]) for name, split in splits.items()}

        def __reduce_ex__(self, protocol: Any) -> Any:
            return _restored, (kind, order, vars(self))

    Ordered.__name__, Ordered.__qualname__, Ordered.__module__ = kind.__name__, kind.__qualname__, kind.__module__
    return Ordered


def _restored(kind: Any, order: Order, state: Mapping[str, Any]) -> Any:
    """Make it again, for a copy or in another process: its class has no name that could be looked up."""
    source: Any = object.__new__(ordered_kind(kind, order))
    vars(source).update(state)
    return source


def _checked(order: tuple[str, ...], own: tuple[str, ...]) -> tuple[str, ...]:
    """Require every class once."""
    if unknown := [name for name in order if name not in own]:
        raise ValueError(f"ordered names a class that the data do not have: {unknown[0]}; {suggest(unknown[0], own)}")
    if missing := [name for name in own if name not in order]:
        raise ValueError(f"ordered must name every class, from the lowest to the highest; it lacks {some(missing)}")
    if len(order) > len(own):
        twice = next(name for name in order if order.count(name) > 1)
        raise ValueError(f"ordered must name every class once, and names {twice} {order.count(twice)} times")
    return order
