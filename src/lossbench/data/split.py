"""Splits: the examples of train, val and test, held in memory. Torch-free."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lossbench.errors import some

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Split:
    """Examples held in memory.

    Args:
        inputs: float32, (n, ...); of image data sets what names each image, (n,).
        targets: int64, (n,), class indices; of other tasks float32, (n, ...), listed in docs/configuration.md.
        ids: text, (n,), the same example has the same id in every run.
    """

    inputs: np.ndarray
    targets: np.ndarray
    ids: np.ndarray

    def __len__(self) -> int:
        return len(self.targets)

    def take(self, index: np.ndarray) -> "Split":
        """Pick examples by position."""
        return Split(self.inputs[index], self.targets[index], self.ids[index])


def joined(splits: Sequence[Split]) -> Split:
    """Give the examples of some splits, one after another."""
    columns = zip(*((split.inputs, split.targets, split.ids) for split in splits), strict=True)
    return Split(*map(np.concatenate, columns))


def lacking_classes(names: Sequence[str], targets: Mapping[str, np.ndarray]) -> list[str]:
    """Name the classes of which a split has no example, a clause for each such split.

    Args:
        names: of the classes.
        targets: split -> class indices, (n,).
    """
    clauses = []
    for split in SPLITS:
        found = {*np.unique(targets[split]).tolist()}
        if missing := [name for i, name in enumerate(names) if i not in found]:
            clauses.append(f"the {split} split has no example of {some(missing)}")
    return clauses
