"""Fewer training examples, equally many of each class. Torch-free."""

from collections.abc import Mapping

import numpy as np

from lossbench.data.changes.draw import Draw
from lossbench.data.changes.settings import Changes
from lossbench.data.split import Split


def with_few(splits: Mapping[str, Split], changes: Changes, draw: Draw) -> dict[str, Split]:
    """Keep so many training examples of each class; a smaller subset is within a larger one of the same draw.

    Args:
        splits: train, val and test; val and test stay as they are.
        changes: how many.
        draw: decides which ones.

    Returns:
        The splits.

    Raises:
        ValueError: a class has fewer training examples.
    """
    train, k = splits["train"], changes.images_per_class
    kept = []
    for label, name in enumerate(draw.class_names):
        members = np.flatnonzero(train.targets == label)
        if len(members) < (k or 0):
            raise ValueError(
                f"images_per_class must be <= {len(members)} (class {name} has no more training examples), got {k}; "
                "images_per_class=all takes all"
            )
        kept.append(draw.generator("images_per_class", label).permutation(members)[:k])
    return {**splits, "train": train.take(np.sort(np.concatenate(kept)))}


def few_line(splits: Mapping[str, Split], changes: Changes) -> str:
    """Say how many examples of each class are trained on: "using 5 training examples of each class, 50 in all"."""
    k, n = changes.images_per_class, len(splits["train"])
    return f"using {k} training examples of each class, {n:,} in all; validation and test are whole"
