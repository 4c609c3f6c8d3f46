"""Settings of a loss that a training split decides: counts of its classes, and weights made of them."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from lossbench.config.class_weights import KEY, named_weights, needs_data, without_weights
from lossbench.config.parse import Node
from lossbench.config.plain import is_mapping
from lossbench.data.module import DataModule
from lossbench.data.split import class_counts
from lossbench.errors import UserError
from lossbench.losses.class_weights import effective_number, inverse_frequency

COUNTS = "class_counts"
BY_WORD: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {"auto": inverse_frequency, "effective": effective_number}


def settings_of_data(node: Node, data: DataModule, where: str) -> dict[str, list[float]]:
    """Give what the training split decides of a loss: `class_counts` of null, and `weight` by a word or by name.

    Args:
        node: of the loss.
        data: whose training split is counted, as the run sees it.
        where: the loss's key, for messages.

    Raises:
        UserError: a class to be counted has no training example.
    """
    found: dict[str, list[float]] = {}
    if node.settings.get(COUNTS, ()) is None:
        found[COUNTS] = _counted(data, f"{where}.{COUNTS}=null", "give one number > 0 for each class").tolist()
    weight = node.settings.get(KEY)
    if needs_data(weight):
        found[KEY] = _weights(weight, data, where)
    return found


def data_free(node: Node) -> Node:
    """Give a loss that is built without data, for what it makes of outputs: its classes weigh alike."""
    return Node(without_weights(node.record))


def _weights(weight: Any, data: DataModule, where: str) -> list[float]:
    if is_mapping(weight):
        return named_weights(weight, data.source.class_names)
    counts = _counted(data, f"{where}.{KEY}={weight}", "give one number >= 0 for each class")
    return BY_WORD[weight](counts.astype(np.float64)).tolist()


def _counted(data: DataModule, given: str, cure: str) -> np.ndarray:
    """The training examples of each class, (C,); none may be 0."""
    counts = class_counts(data.split("train").targets, data.source.num_classes)
    if not counts.all():
        missing = data.source.class_names[int(counts.argmin())]
        raise UserError(f"{given} counts the training split, which has no {missing}; {cure}")
    return counts
