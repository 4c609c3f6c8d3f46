"""Splits: the examples of train, val and test, held in memory. Torch-free."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lossbench.data.forms import Forms
from lossbench.errors import some

SPLITS = ("train", "val", "test")
ONE_CLASS = ("classification", "ordinal")
"""The tasks whose targets are class indices, one for each example; ordinal classes are in order."""
OF_CLASSES = (*ONE_CLASS, "multi_label")
"""The tasks whose outputs are one for each class, or label, that class_names names."""


@dataclass(frozen=True)
class Split:
    """Examples held in memory.

    Args:
        inputs: float32, (n, ...); of image data sets what names each image, (n,). Features may be float16, or
            bfloat16 as the uint16 numbers with its bits: NumPy lacks it.
        targets: int64, (n,), class indices; of other tasks float32, (n, ...), listed in docs/configuration.md.
        ids: text, (n,), the same example has the same id in every run.
        weights: float32, (n,), finite and > 0: how much each example counts in the training loss, and nowhere else;
            None counts all alike.
        forms: of which training sees another one in each pass, while evaluation sees `inputs`; None has these alone.
            Examples of several splits (`joined`) have none.
        true_targets: what the targets were before labels were changed; None where they are as they were. Examples of
            several splits have none.
    """

    inputs: np.ndarray
    targets: np.ndarray
    ids: np.ndarray
    weights: np.ndarray | None = None
    forms: Forms | None = None
    true_targets: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.targets)

    def take(self, index: np.ndarray | slice) -> "Split":
        """Pick examples by position."""
        weights = None if self.weights is None else self.weights[index]
        forms = None if self.forms is None else self.forms.take(index)
        true = None if self.true_targets is None else self.true_targets[index]
        return Split(self.inputs[index], self.targets[index], self.ids[index], weights, forms, true)

    def columns_of_weights(self) -> list[np.ndarray]:
        """The weights for a hash: none where all examples count alike, so that the hash is that of before."""
        return [] if self.weights is None else [self.weights.astype("<f4")]


def joined(splits: Sequence[Split]) -> Split:
    """Give the examples of some splits, one after another; beside weighted ones those without weights count 1."""
    inputs, targets, ids = zip(*((split.inputs, split.targets, split.ids) for split in splits), strict=True)
    return Split(np.concatenate(inputs), np.concatenate(targets), np.concatenate(ids), _joined_weights(splits))


def _joined_weights(splits: Sequence[Split]) -> np.ndarray | None:
    if all(split.weights is None for split in splits):
        return None
    each = [np.ones(len(split), np.float32) if split.weights is None else split.weights for split in splits]
    return np.concatenate(each)


def class_counts(targets: np.ndarray, classes: int) -> np.ndarray:
    """Count the examples of each class, or with each label: (C,) int64.

    Args:
        targets: class indices, (n,), or 0 and 1 for each label, (n, C).
        classes: C.
    """
    if targets.ndim == 1:
        return np.bincount(targets, minlength=classes)
    return np.count_nonzero(targets, axis=0)


def rarest_labels(targets: np.ndarray) -> np.ndarray:
    """Give each example the label that it is drawn by: of those that it has, the one of the fewest examples.

    Args:
        targets: 0 and 1 for each label, (n, C).

    Returns:
        (n,) int64, 0..C-1; C of an example without a label.
    """
    counts = class_counts(targets, targets.shape[1])
    by_size = np.lexsort((np.arange(len(counts)), counts))
    sorted_targets = np.concatenate((targets[:, by_size] > 0, np.ones((len(targets), 1), dtype=bool)), axis=1)
    return np.append(by_size, len(counts))[sorted_targets.argmax(axis=1)]


def lacking_classes(names: Sequence[str], targets: Mapping[str, np.ndarray]) -> list[str]:
    """Name the classes of which a split has no example, a clause for each such split.

    Args:
        names: of the classes.
        targets: split -> class indices, (n,), or 0 and 1 for each label, (n, C).
    """
    clauses = []
    for split in SPLITS:
        counts = class_counts(targets[split], len(names))
        if missing := [name for name, count in zip(names, counts.tolist(), strict=True) if not count]:
            clauses.append(f"the {split} split has no example of {some(missing)}")
    return clauses
