"""Wrong labels, at rates that are exact within each class. Torch-free."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from lossbench.data.changes.draw import Draw
from lossbench.data.changes.human import labels_in
from lossbench.data.changes.matrix import largest_remainder, matrix_of
from lossbench.data.changes.noise_settings import NoiseSettings
from lossbench.data.split import SPLITS, Split

NOISY = ("train", "val")


def with_noise(splits: Mapping[str, Split], settings: NoiseSettings, draw: Draw) -> dict[str, Split]:
    """Give training examples, and those of validation where that is wanted, wrong labels.

    Args:
        splits: train, val and test.
        settings: which labels are wrong, and where wrong labels go.
        draw: decides the rest.

    Returns:
        The splits; those with wrong labels hold the true ones too.

    Raises:
        ValueError: the matrix or the file does not fit the data.
    """
    noisy = NOISY if settings.noise_validation else NOISY[:1]
    return {
        name: replace(split, targets=_given(split, name, settings, draw), true_targets=split.targets)
        if name in noisy
        else split
        for name, split in splits.items()
    }


def _given(split: Split, name: str, settings: NoiseSettings, draw: Draw) -> np.ndarray:
    """The labels that a split is given, (n,)."""
    if settings.noise == "file":
        return labels_in(settings, split, name, draw.class_names)
    given, classes = split.targets.copy(), len(draw.class_names)
    matrix = matrix_of(settings, classes)
    for true in range(classes):
        rng = draw.generator("label_noise", name, true)
        members = rng.permutation(np.flatnonzero(split.targets == true))
        wrong = _symmetric if settings.noise == "symmetric" else _by_matrix
        labels = wrong(matrix[true], true, len(members), rng)
        given[members[: len(labels)]] = labels
    return given


def _symmetric(row: np.ndarray, true: int, n: int, rng: np.random.Generator) -> np.ndarray:
    """Spread the wrong labels of n examples over all other classes, equally many for each up to one.

    With a higher rate the first labels stay as they are: it adds wrong labels to those of a lower one.

    Args:
        row: the shares of all classes, (C,).
        true: the class.
        n: of its examples.
        rng: decides which classes get one more.

    Returns:
        The class indices of those that are wrong.
    """
    others = rng.permutation(np.delete(np.arange(len(row)), true))
    count = int(largest_remainder(np.array([1 - row[true], row[true]]), n)[0])
    return others[np.arange(count) % len(others)]


def _by_matrix(row: np.ndarray, true: int, n: int, rng: np.random.Generator) -> np.ndarray:
    """Give wrong labels in the numbers that a row of the matrix says; arguments as of `_symmetric`."""
    counts = largest_remainder(row, n)
    counts[true] = 0
    return np.repeat(np.arange(len(row)), counts)


def wrong(split: Split) -> np.ndarray:
    """Say which labels of a split are wrong: (n,) bool."""
    if split.true_targets is None:
        return np.zeros(len(split), dtype=bool)
    return split.targets != split.true_targets


def transition_matrix(split: Split, classes: int) -> np.ndarray:
    """Count how the labels of a split were changed: (C, C) shares, row c of the true class c sums to 1.

    Args:
        split: with labels that may be wrong.
        classes: C; a class without examples keeps its labels.
    """
    true = split.targets if split.true_targets is None else split.true_targets
    counts = np.zeros((classes, classes))
    np.add.at(counts, (true, split.targets), 1)
    counts[np.diag_indices(classes)] += counts.sum(axis=1) == 0
    return counts / counts.sum(axis=1, keepdims=True)


def noise_line(splits: Mapping[str, Split], settings: NoiseSettings) -> str:
    """Say how many labels are wrong: "40 % of the training labels are wrong: 431 of 1,077, symmetric; ..."."""
    found = wrong(splits["train"])
    validation = f"validation too ({_share(wrong(splits['val']))})" if settings.noise_validation else "not validation"
    counted = f"{found.sum():,} of {len(found):,}, {_kind(settings)}"
    return f"{_share(found)} of the training labels are wrong: {counted}; {validation}; test is clean"


def _kind(settings: NoiseSettings) -> str:
    if settings.noise_file is None:
        return "by noise_matrix" if settings.noise == "matrix" else settings.noise
    column = "" if settings.noise_column is None else f"{settings.noise_column} of "
    return f"{column}{Path(settings.noise_file).name}"


def _share(found: np.ndarray) -> str:
    return f"{100 * found.mean():.4g} %"


def noise_record(splits: Mapping[str, Split], settings: NoiseSettings, names: tuple[str, ...]) -> dict[str, Any]:
    """Give the counts and rates of wrong labels, of each split and of each class of training."""
    train = splits["train"]
    true, found = train.targets if train.true_targets is None else train.true_targets, wrong(train)
    of, count = (np.bincount(labels, minlength=len(names)).tolist() for labels in (true, true[found]))
    return {
        "kind": settings.noise,
        "splits": {name: {"wrong": int(wrong(splits[name]).sum()), "of": len(splits[name])} for name in SPLITS},
        "rate": float(found.mean()),
        "classes": {name: {"wrong": count[k], "of": of[k]} for k, name in enumerate(names)},
    }
