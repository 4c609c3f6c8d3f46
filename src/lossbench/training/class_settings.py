"""Settings of a loss that a training split decides: counts of its classes, weights made of them, wrong labels."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from lossbench.config.class_weights import KEY, named_weights, needs_data, without_weights
from lossbench.config.label_matrix import INVERTERS, TAKERS, check_matrix
from lossbench.config.label_matrix import KEY as MATRIX
from lossbench.config.parse import Node
from lossbench.config.plain import is_mapping
from lossbench.data.changes.noise import transition_matrix
from lossbench.data.module import DataModule
from lossbench.data.split import Split, class_counts
from lossbench.errors import UserError
from lossbench.losses.class_weights import effective_number, inverse_frequency

COUNTS = "class_counts"
BY_WORD: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {"auto": inverse_frequency, "effective": effective_number}


def settings_of_data(node: Node, data: DataModule, where: str) -> dict[str, Any]:
    """Give what the training split decides of a loss: `class_counts` and `matrix` of null, `weight` by a word or name.

    Args:
        node: of the loss.
        data: whose training split is counted, as the run sees it.
        where: the loss's key, for messages.

    Raises:
        UserError: a class to be counted has no training example, or a matrix that is to be inverted cannot be.
    """
    found: dict[str, Any] = {}
    if node.settings.get(COUNTS, ()) is None:
        found[COUNTS] = _counted(data, f"{where}.{COUNTS}=null", "give one number > 0 for each class").tolist()
    weight = node.settings.get(KEY)
    if needs_data(weight):
        found[KEY] = _weights(weight, data, where)
    if node.class_name in TAKERS and node.settings.get(MATRIX) is None:
        found[MATRIX] = label_matrix(data.split("train"), data.source.num_classes)
        _check_inverse(f"{where}.{MATRIX}=null", found[MATRIX], node.class_name)
    return found


def _check_inverse(given: str, matrix: list[list[float]] | None, class_name: str) -> None:
    """Refuse counted rates without an inverse where a loss takes it, as rates that are typed are."""
    if class_name not in INVERTERS:
        return
    try:
        check_matrix(f"{given}, counted from the training labels,", matrix, invertible=True)
    except ValueError as error:
        raise UserError(str(error)) from error


def label_matrix(split: Split, classes: int) -> list[list[float]] | None:
    """Count which labels the examples of each true class have: (C, C) rates, a row for each class.

    Args:
        split: of which labels may have been changed.
        classes: C. The row of a class without examples says that its labels are right.

    Returns:
        None where no label was changed.
    """
    if split.true_targets is None:
        return None
    return transition_matrix(split, classes).tolist()


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
