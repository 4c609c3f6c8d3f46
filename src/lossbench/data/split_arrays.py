"""Whether the arrays of splits are what the rest relies on. Torch-free."""

from collections.abc import Mapping

import numpy as np

from lossbench.data.split import ONE_CLASS, SPLITS, Split


def check_arrays(splits: object, task: str, input_shape: tuple[int, ...] | None, num_classes: int) -> None:
    """Check the arrays of train, val and test.

    Args:
        splits: what load() gives.
        task: of the data set.
        input_shape: of one example; None checks no inputs.
        num_classes: C.

    Raises:
        ValueError: one line that names the split and the array, what was found and what is expected.
    """
    if not isinstance(splits, Mapping):
        raise ValueError(f"load() must give a mapping of splits by name, got {type(splits).__name__}")
    for name in SPLITS:
        split = splits.get(name)
        if split is not None and not isinstance(split, Split):
            raise ValueError(f"load(): {name} must be a Split, got {type(split).__name__}")
        if split is None or not len(split):
            raise ValueError(f"load() must give examples for train, val and test, and gives none for {name}")
        _check_inputs(name, split, input_shape)
        _check_targets(name, split, task, num_classes)
        _check_others(name, split)


def _check_inputs(name: str, split: Split, input_shape: tuple[int, ...] | None) -> None:
    if input_shape is not None:
        _require(f"{name} inputs", split.inputs, "float32", (len(split), *input_shape))


def _check_targets(name: str, split: Split, task: str, classes: int) -> None:
    n = len(split)
    if task in ONE_CLASS:
        _require(f"{name} targets", split.targets, "int64", (n,))
        found = (int(split.targets.min()), int(split.targets.max()))
        if found[0] < 0 or found[1] >= classes:
            raise ValueError(f"load(): {name} targets must be within 0 and {classes - 1}, got {found[0]} to {found[1]}")
    elif task == "multi_label":
        _require(f"{name} targets", split.targets, "float32", (n, classes))
        if not np.isin(split.targets, (0, 1)).all():
            raise ValueError(f"load(): {name} targets of multi_label must be 0 or 1 for each label")
    else:
        _require(f"{name} targets", split.targets, "float32", (n, *split.targets.shape[1:]))


def _check_others(name: str, split: Split) -> None:
    n = len(split)
    _require(f"{name} ids", split.ids, "str", (n,))
    if split.weights is not None:
        _require(f"{name} weights", split.weights, "float32", (n,))
        if not (np.isfinite(split.weights) & (split.weights > 0)).all():
            raise ValueError(f"load(): {name} weights must be finite and > 0; leave out examples that do not count")


def _require(what: str, array: np.ndarray, dtype: str, shape: tuple[int, ...]) -> None:
    if not isinstance(array, np.ndarray):
        raise ValueError(f"load(): {what} must be a NumPy array {dtype} {shape}, got {type(array).__name__}")
    kind = "str" if array.dtype.kind == "U" else str(array.dtype)
    if (kind, array.shape) != (dtype, shape):
        raise ValueError(f"load(): {what} must be {dtype} {shape}, got {kind} {array.shape}")
