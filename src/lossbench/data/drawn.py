"""The examples of a data set: splits, the pool of its replicates, changes, and a fingerprint. Torch-free."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING, ClassVar, Self, TypeVar

import numpy as np

from lossbench.data.changes.apply import changed, content
from lossbench.data.changes.draw import Draw
from lossbench.data.changes.settings import NO_CHANGES, Changes
from lossbench.data.folds import draw_parts, repeated_folds
from lossbench.data.ordered import ordered_kind
from lossbench.data.split import ONE_CLASS, SPLITS, Split, joined, rarest_labels
from lossbench.data.split_arrays import check_arrays
from lossbench.seeds import generator

if TYPE_CHECKING:
    from hashlib import _Hash


class DrawnExamples(ABC):
    """The examples of a data set: read once, drawn for each replicate, changed and encoded as a model sees them."""

    task: ClassVar[str] = "classification"
    members: ClassVar[int] = 1
    """2 where inputs are pairs (n, 2, ...), 3 where they are triplets; input_shape is that of one member."""
    outputs: ClassVar[int | None] = None
    """Of other tasks than classification: how many numbers the model gives."""
    class_names: ClassVar[tuple[str, ...]] = ()
    input_shape: ClassVar[tuple[int, ...]]
    """The shape of one example."""
    own_inputs: ClassVar[bool] = False
    """Whether each replicate encodes the examples in its own way; then the inputs of pool() are their positions."""
    replicate: int | None = None
    """Which draw of the splits this is, set by `replicated`; None gives those of load(). No name for a setting."""
    changes: Changes = NO_CHANGES
    """What is changed in the splits, set by `with_changes`. No name for a setting."""

    @property
    def title(self) -> str:
        """The name of the user's own folder or file, for the screen; "" where there is none."""
        return ""

    @property
    def num_classes(self) -> int:
        """The number of classes C."""
        return len(self.class_names)

    @property
    def num_outputs(self) -> int:
        """How many numbers the model gives: one for each class, or `outputs`."""
        return self.num_classes if self.outputs is None else self.outputs

    @abstractmethod
    def load(self) -> Mapping[str, Split]:
        """Read the examples of train, val and test."""

    @cached_property
    def splits(self) -> Mapping[str, Split]:
        """The examples of train, val and test with their changes, as a model sees them; read once."""
        return {name: self.encoded(split) for name, split in self.changed.items()}

    @cached_property
    def changed(self) -> Mapping[str, Split]:
        """The examples of train, val and test with their changes."""
        draw = Draw(self.drawn_by, self.replicate, tuple(self.class_names))
        return changed(self.in_order(self.unchanged), self.changes, draw)

    @cached_property
    def unchanged(self) -> Mapping[str, Split]:
        """The examples of train, val and test as they were split, before any change."""
        if self.replicate is None:
            return self._whole._loaded
        pool = self.pool()
        return {name: pool.take(positions) for name, positions in self.draw(self.replicate).items()}

    def encoded(self, split: Split) -> Split:
        """Give examples as a model sees them; a data set with `own_inputs` encodes them here."""
        return split

    @property
    def drawn_by(self) -> int:
        """The seed of the splits, which the changes are drawn by too: `split_seed`, 0 where there is none."""
        return getattr(self, "split_seed", 0)

    def with_changes(self, changes: Changes) -> Self:
        """Give the same data set with changes in place of its own; both share what they read."""
        copied, kind = _copied(self, changes=changes), type(self._whole)
        if changes.ordered:
            kind = ordered_kind(kind, changes.order)
        object.__setattr__(copied, "__class__", kind)
        return copied

    @property
    def own_names(self) -> tuple[str, ...]:
        """The classes in the order of the indices that load() and pool() give, whatever order was declared."""
        return tuple(self.class_names)

    def in_order(self, splits: Mapping[str, Split]) -> Mapping[str, Split]:
        """Give splits with the indices of `class_names` in place of those of `own_names`."""
        return splits

    @cached_property
    def _whole(self) -> Self:
        """The data set of which this is a replicate; it holds what all replicates share."""
        return self

    @cached_property
    def _loaded(self) -> Mapping[str, Split]:
        """What load() gives, read once."""
        return self.load()

    @property
    def folds(self) -> int | None:
        """How many replicates test on disjoint parts that cover the pool; None where all test on one published part.

        A data set that splits its own examples says so in one line: `folds = 5`.
        """
        return None

    @property
    def published_test(self) -> bool:
        """Whether the data set comes with a test part of its own, which every replicate keeps."""
        return self.folds is None

    def pool(self) -> Split:
        """Every example that a replicate may use, in a fixed order: by default those of train, val and test."""
        return self._whole._loaded_pool

    def draw(self, replicate: int) -> Mapping[str, np.ndarray]:
        """Draw the splits of a replicate: by `folds`, or train and val anew and test kept, all as large as in load().

        Args:
            replicate: r >= 0.

        Returns:
            train, val and test -> positions in the pool, sorted.
        """
        train, val, test = (len(self._whole._loaded[name]) for name in SPLITS)
        if self.folds is not None:
            share = val / (train + val + test)
            return repeated_folds(self.strata(self.pool()), replicate, folds=self.folds, val=share, seed=0)
        learn = train + val
        rng = generator(0, "replicate", replicate)
        validation, learnt = draw_parts(self.strata(self.pool())[:learn], (val,), rng)
        return {"train": np.sort(learnt), "val": np.sort(validation), "test": np.arange(learn, learn + test)}

    def strata(self, split: Split) -> np.ndarray:
        """What draws spread evenly, (n,): the classes, or the rarest label of each example; of other tasks nothing."""
        if self.task == "multi_label":
            return rarest_labels(split.targets)
        return split.targets if self.task in ONE_CLASS else np.zeros(len(split), dtype=np.int64)

    @cached_property
    def _loaded_pool(self) -> Split:
        """The splits of load(), one after another."""
        self.check_examples(self._loaded)
        return joined([self._loaded[name] for name in SPLITS])

    def fingerprint(self) -> str:
        """Hash the examples, what splits them, and the files of their changes.

        Returns:
            16 hexadecimal digits of SHA-256, the same for all replicates.
        """
        found = self._whole._fingerprint_of_splits if self.replicate is None else self._whole._fingerprint_of_pool
        changes = content(self.changes, self.num_classes)
        return sha256(found.encode() + changes).hexdigest()[:16] if changes else found

    @cached_property
    def _fingerprint_of_splits(self) -> str:
        """Hash what is in each of the splits of load()."""
        digest = sha256()
        for name in SPLITS:
            self.add_to(digest, name, self._loaded[name])
        return digest.hexdigest()[:16]

    @cached_property
    def _fingerprint_of_pool(self) -> str:
        """Hash what is in the pool, and how replicate 0 is drawn from it."""
        digest = sha256()
        self.add_to(digest, "pool", self.pool())
        for name, positions in self.draw(0).items():
            digest.update(f"{name}{positions.shape}".encode() + positions.astype("<i8").tobytes())
        return digest.hexdigest()[:16]

    def add_to(self, digest: "_Hash", name: str, split: Split) -> None:
        """Add the inputs, targets, ids and weights of some examples to a hash."""
        for array in (
            split.inputs,
            split.targets.astype("<i8" if split.targets.dtype.kind == "i" else "<f4"),
            np.char.encode(split.ids, "utf-8"),
            *split.columns_of_weights(),
        ):
            digest.update(f"{name}{array.dtype.str}{array.shape}".encode() + np.ascontiguousarray(array).tobytes())

    def check_examples(self, splits: object) -> None:
        """Check the arrays of train, val and test.

        Raises:
            ValueError: one line that names the split and the array, what was found and what is expected.
        """
        members = (self.members,) if self.members > 1 else ()
        is_image_set = hasattr(self, "image_size")  # its inputs name or number the images
        check_arrays(splits, self.task, None if is_image_set else (*members, *self.input_shape), self.num_classes)


AnyExamples = TypeVar("AnyExamples", bound=DrawnExamples)


def replicated(source: AnyExamples, replicate: int) -> AnyExamples:
    """Give a data set with the splits of a replicate; both share what they read.

    Args:
        source: the data set, with the splits of load().
        replicate: r >= 0.
    """
    return _copied(source, replicate=replicate)


def _copied(source: AnyExamples, **own: object) -> AnyExamples:
    """Give a data set with other splits, which shares what all splits are made of."""
    copied = copy.copy(source)
    for name in ("splits", "changed", "unchanged"):
        vars(copied).pop(name, None)
    vars(copied).update(_whole=source._whole, **own)  # the data set's class is frozen
    return copied
