"""Training classes of unequal size, by the published formula. Torch-free."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lossbench.data.changes.draw import Draw
from lossbench.data.changes.settings import Changes
from lossbench.data.split import Split, class_counts
from lossbench.errors import some
from lossbench.seeds import generator


def with_imbalance(splits: Mapping[str, Split], changes: Changes, draw: Draw) -> dict[str, Split]:
    """Keep of each class as many training examples as its place in the order of classes says.

    A larger imbalance keeps a subset of what a smaller one keeps.

    Args:
        splits: train, val and test.
        changes: the imbalance, its kind, and which classes are rare.
        draw: decides which examples are kept.

    Returns:
        The splits; val and test are as they were.

    Raises:
        ValueError: a class has too few examples, or none would be left of one.
    """
    train = splits["train"]
    counts = kept_counts(class_counts(train.targets, len(draw.class_names)), changes, draw.class_names)
    kept = [_kept(train, c, count, draw) for c, count in enumerate(counts)]
    return {**splits, "train": train.take(np.sort(np.concatenate(kept)))}


def _kept(train: Split, label: int, count: int, draw: Draw) -> np.ndarray:
    members = np.flatnonzero(train.targets == label)
    return draw.generator("imbalance", label).permutation(members)[:count]


def kept_counts(available: np.ndarray, changes: Changes, names: Sequence[str]) -> list[int]:
    """Count what is kept of each class; the class at place i = 0 .. C - 1 of their order keeps number i of `sizes`.

    Args:
        available: training examples of each class, (C,).
        changes: imbalance_max is how many the largest class keeps, by default as many as the smallest one has;
            imbalance_seed decides the order of classes, by default their own.
        names: of the classes, (C,).

    Raises:
        ValueError: names the class that has too few examples, or of which none would be left.
    """
    classes = len(available)
    largest = int(available.min()) if changes.imbalance_max is None else changes.imbalance_max
    order = np.arange(classes)
    if changes.imbalance_seed is not None:
        order = generator(changes.imbalance_seed, "imbalance_order").permutation(classes)
    counts = [0] * classes
    for place, size in zip(order.tolist(), sizes(largest, classes, changes), strict=True):
        counts[place] = size
    _require_enough(available, counts, largest, changes, names)
    return counts


def sizes(largest: int, classes: int, changes: Changes) -> list[int]:
    """Give the sizes of the classes, the largest first.

    exponential: n_i = floor(n_max mu^i) with mu = imbalance^(-1 / (C - 1)), so that n_0 / n_{C-1} is the imbalance.
    step: n_max for the first half of the classes (C // 2), floor(n_max / imbalance) for the others.

    Args:
        largest: n_max.
        classes: C >= 2.
        changes: the imbalance and its kind.

    Reference:
        Cui et al. 2019, arXiv 1901.05555, section 5.1 (exponential); Buda et al. 2018, A systematic study of the class
        imbalance problem (step); computed as in the code of Cao et al. 2019 (LDAM), which rounds down.
    """
    factor = 1 / (changes.imbalance or 1)
    if changes.imbalance_kind == "step":
        frequent = classes // 2
        return [largest] * frequent + [int(largest * factor)] * (classes - frequent)
    return [int(largest * factor ** (i / (classes - 1.0))) for i in range(classes)]


def _require_enough(
    available: np.ndarray, counts: Sequence[int], largest: int, changes: Changes, names: Sequence[str]
) -> None:
    given = f"imbalance={changes.imbalance:g}"
    for name, there, count in zip(names, available.tolist(), counts, strict=True):
        if there < max(count, 1):
            raise ValueError(
                f"{given} keeps {max(count, 1)} training examples of {name}, which has {there}; "
                + ("leave imbalance_max out, or make it smaller" if there else "use data with examples of each class")
            )
    if (least := min(counts)) < 1:
        raise ValueError(
            f"{given} leaves no training example of {names[counts.index(least)]}: the largest class keeps {largest}; "
            f"use an imbalance of at most {largest}"
        )


def imbalance_counts(splits: Mapping[str, Split], names: Sequence[str]) -> dict[str, int]:
    """Count the training examples of each true class, by name."""
    train = splits["train"]
    true = train.targets if train.true_targets is None else train.true_targets
    return dict(zip(names, class_counts(true, len(names)).tolist(), strict=True))


def imbalance_line(splits: Mapping[str, Split], changes: Changes, names: Sequence[str]) -> str:
    """Say how many examples of each class are left for training."""
    counts = imbalance_counts(splits, names)
    by_size = sorted(counts.items(), key=lambda item: -item[1])
    shown = some((f"{name} {count:,}" for name, count in by_size), most=10)
    return (
        f"training classes have {by_size[0][1]:,} to {by_size[-1][1]:,} examples (imbalance {changes.imbalance:g}, "
        f"{changes.imbalance_kind}): {shown}; val and test keep their own distributions"
    )


def imbalance_record(splits: Mapping[str, Split], changes: Changes, names: Sequence[str]) -> dict[str, Any]:
    """Give the counts of the classes, for result.json."""
    return {"factor": changes.imbalance, "kind": changes.imbalance_kind, "classes": imbalance_counts(splits, names)}
