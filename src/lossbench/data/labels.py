"""Labels as people store them (numbers, text, one-hot or multi-hot rows) become targets and names of classes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lossbench.errors import some


@dataclass(frozen=True)
class ReadLabels:
    """Targets of examples.

    Args:
        targets: int64 (n,), class indices; of several labels an example float32 (n, C) of 0 and 1.
        class_names: of the C classes.
        note: what was decided about them; "" where they are plain.
    """

    targets: np.ndarray
    class_names: tuple[str, ...]
    note: str = ""

    @property
    def task(self) -> str:
        """classification, or multi_label where an example has several labels."""
        return "classification" if self.targets.ndim == 1 else "multi_label"


def labels_of(values: np.ndarray, names: Sequence[str] | None, what: str) -> ReadLabels:
    """Turn stored labels into targets.

    Args:
        values: (n,) or (n, 1): whole numbers, truth values or text; (n, C) of 0 and 1: one-hot or multi-hot rows.
        names: of the classes, in the order of their indices; None takes the labels themselves, sorted.
        what: where the labels are, for messages.

    Raises:
        ValueError: names what is wrong with them.
    """
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim == 2:
        return _rows(values, names, what)
    if values.ndim != 1:
        raise ValueError(f"{what} must be one label for each example, (n,) or (n, C), got shape {values.shape}")
    return _classes(_plain(values, what), names, what)


def _rows(values: np.ndarray, names: Sequence[str] | None, what: str) -> ReadLabels:
    """One-hot rows are classes, other rows of 0 and 1 several labels an example."""
    if values.dtype.kind not in "biuf" or not np.isin(values, (0, 1)).all():
        raise ValueError(
            f"{what} of shape {values.shape} must hold 0 and 1 alone, a column for each class; of one class an "
            "example give its index or name, (n,)"
        )
    classes = values.shape[1]
    if names is not None and len(names) != classes:
        raise ValueError(f"{what} has {classes} columns, and there are {len(names)} names of classes")
    named = tuple(map(str, range(classes) if names is None else names))
    if (values.sum(1) == 1).all():
        return ReadLabels(values.argmax(1).astype(np.int64), named, f"the one-hot rows of {what} are classes")
    return ReadLabels(values.astype(np.float32), named, f"the rows of {what} are several labels an example")


def _plain(values: np.ndarray, what: str) -> np.ndarray:
    """Labels as whole numbers or text."""
    if values.dtype.kind == "S":
        values = np.char.decode(values, "utf-8")
    if values.dtype.kind == "f":
        if not (np.isfinite(values).all() and (values == np.rint(values)).all()):
            raise ValueError(
                f"{what} must hold classes (whole numbers or text), got fractions or missing values such as "
                f"{some(_odd(values))}"
            )
        return values.astype(np.int64)
    if values.dtype.kind == "U":
        if (np.char.strip(values) == "").any():
            raise ValueError(f"{what} has an empty label, at position {int((np.char.strip(values) == '').argmax())}")
        return values
    if values.dtype.kind not in "biu":
        raise ValueError(f"{what} must hold whole numbers or text, got {values.dtype}")
    return values if values.dtype.kind == "b" else values.astype(np.int64)


def _odd(values: np.ndarray) -> list[str]:
    """The first values that are no whole numbers."""
    odd = values[~(np.isfinite(values) & (values == np.rint(values)))]
    return [f"{value:g}" for value in np.unique(odd)[:6].tolist()]


def _classes(values: np.ndarray, names: Sequence[str] | None, what: str) -> ReadLabels:
    if names is None:
        found, targets = np.unique(values, return_inverse=True)
        return ReadLabels(targets.astype(np.int64), tuple(map(str, found.tolist())))
    if values.dtype.kind != "U":
        lowest, highest = int(values.min()), int(values.max())
        if lowest < 0 or highest >= len(names):
            raise ValueError(
                f"{what} must hold indices from 0 to {len(names) - 1}, one of {len(names)} names of classes, got "
                f"{lowest} to {highest}"
            )
        return ReadLabels(values.astype(np.int64), tuple(names))
    place = {name: i for i, name in enumerate(names)}
    if unknown := sorted({*values.tolist()} - {*place}):
        raise ValueError(f"{what} has labels that are no names of classes: {some(unknown)}")
    return ReadLabels(np.array([place[value] for value in values.tolist()], dtype=np.int64), tuple(names))
