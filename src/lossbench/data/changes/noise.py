"""Wrong labels, at rates that are exact within each class. Torch-free."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from lossbench.data.changes.draw import Draw
from lossbench.data.changes.settings import Changes
from lossbench.data.split import SPLITS, Split

NOISY = ("train", "val")


def with_noise(splits: Mapping[str, Split], changes: Changes, draw: Draw) -> dict[str, Split]:
    """Give training examples, and those of validation where that is wanted, wrong labels.

    Args:
        splits: train, val and test.
        changes: the rate, and where wrong labels go.
        draw: decides which labels are wrong.

    Returns:
        The splits; those with wrong labels hold the true ones too.
    """
    noisy = NOISY if changes.noise_validation else NOISY[:1]
    return {
        name: _with_wrong_labels(split, changes.label_noise, draw, name) if name in noisy else split
        for name, split in splits.items()
    }


def _with_wrong_labels(split: Split, rate: float, draw: Draw, name: str) -> Split:
    given = split.targets.copy()
    for true in range(len(draw.class_names)):
        members = np.flatnonzero(split.targets == true)
        rng = draw.generator("label_noise", name, true)
        wrong = rng.permutation(members)[: wrong_count(rate, len(members))]
        given[wrong] = symmetric(true, len(wrong), len(draw.class_names), rng)
    return replace(split, targets=given, true_targets=split.targets)


def wrong_count(rate: float, n: int) -> int:
    """Count the wrong labels among n of a class: the nearest whole number to rate * n, of two the larger."""
    return int(np.floor(round(rate * n, 9) + 0.5))


def symmetric(true: int, count: int, classes: int, rng: np.random.Generator) -> np.ndarray:
    """Spread wrong labels over all other classes, equally many for each up to one.

    With more of them the first ones stay as they are, so that a higher rate adds wrong labels to those of a lower one.

    Args:
        true: the class.
        count: of wrong labels.
        classes: C.
        rng: decides which classes get one more.

    Returns:
        (count,) class indices other than the true one.
    """
    others = rng.permutation(np.delete(np.arange(classes), true))
    return others[np.arange(count) % len(others)]


def wrong(split: Split) -> np.ndarray:
    """Say which labels of a split are wrong: (n,) bool."""
    if split.true_targets is None:
        return np.zeros(len(split), dtype=bool)
    return split.targets != split.true_targets


def noise_line(splits: Mapping[str, Split], changes: Changes) -> str:
    """Say how many labels are wrong: "40 % of the training labels are wrong: 431 of 1,077, symmetric; ..."."""
    found = wrong(splits["train"])
    validation = f"validation too ({_share(wrong(splits['val']))})" if changes.noise_validation else "not validation"
    counted = f"{found.sum():,} of {len(found):,}"
    return f"{_share(found)} of the training labels are wrong: {counted}, {changes.noise}; {validation}; test is clean"


def _share(found: np.ndarray) -> str:
    return f"{100 * found.mean():.4g} %"


def noise_record(splits: Mapping[str, Split], changes: Changes, names: tuple[str, ...]) -> dict[str, Any]:
    """Give the counts and rates of wrong labels, of each split and of each class of training."""
    train = splits["train"]
    true, found = train.targets if train.true_targets is None else train.true_targets, wrong(train)
    counts = {name: (int((true == k).sum()), int((found & (true == k)).sum())) for k, name in enumerate(names)}
    return {
        "kind": changes.noise,
        "splits": {name: {"wrong": int(wrong(splits[name]).sum()), "of": len(splits[name])} for name in SPLITS},
        "rate": float(found.mean()),
        "classes": {name: {"wrong": count, "of": of} for name, (of, count) in counts.items()},
    }
