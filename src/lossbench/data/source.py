"""What a data set is: named splits of inputs, targets and ids, with a fingerprint. Torch-free."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

import numpy as np

from lossbench.data.about import described
from lossbench.data.changes.apply import changed, content, lines, record
from lossbench.data.changes.draw import Draw
from lossbench.data.changes.settings import NO_CHANGES, Changes
from lossbench.data.folds import draw_parts, repeated_folds
from lossbench.data.folds import stratified_split as stratified_split  # where data sets of one's own find it
from lossbench.data.ordered import ordered_kind
from lossbench.data.split import (
    OF_CLASSES,
    ONE_CLASS,
    SPLITS,
    Split,
    class_counts,
    joined,
    lacking_classes,
    rarest_labels,
)
from lossbench.data.split_arrays import check_arrays
from lossbench.escaping import in_line
from lossbench.seeds import generator

if TYPE_CHECKING:
    from hashlib import _Hash

UNEVEN = 2
"""The largest class has so many times the training examples of the smallest one where their counts are uneven."""


class Source(ABC):
    """A data set's description; subclasses are frozen dataclasses whose fields are its settings, checked when built."""

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

    def settled(self) -> Mapping[str, Any]:
        """Settings that were left open and that the data decide: config.yaml holds them."""
        return {}

    def facts(self) -> dict[str, Any]:
        """What else belongs into a result, such as the hashes of split lists."""
        return {}

    @property
    def unit(self) -> str:
        """What the examples are: images or examples."""
        return "images" if hasattr(self, "image_size") else "examples"

    def about(self) -> list[str]:
        """What the data are, in lines for the first screen of a run.

        Returns:
            Classes, counts and imbalance in one line; then what was decided for the user, a line each.
        """
        unit = self.unit
        each = "label" if self.task == "multi_label" else "class"
        kinds = {"multi_label": "labels, any number of which hold", "ordinal": "classes in order"}
        kind = f"{self.num_classes:,} {kinds.get(self.task, 'classes')}" if self.class_names else self.task
        sizes = {name: len(self.splits[name]) for name in SPLITS}
        first = described(kind, unit, sizes, self.train_counts(), each)
        if self.replicate is None:
            return [first]
        if self.folds is None:
            return [first, "every replicate keeps the test part; train and val are drawn anew"]
        return [first, f"each replicate is tested on one of {self.folds} folds of all {len(self.pool()):,} {unit}"]

    def about_lines(self, name: str) -> list[str]:
        """What the data are, for the screen and the log.

        Args:
            name: of the data set on the command line, such as image_folder.
        """
        first, *decided = self.about()
        title = f"{self.title} ({name})" if self.title else name
        every = (f"{title}, {first}", *decided, *lines(self.changed, self.changes, tuple(self.class_names)))
        return [in_line(f"data: {line}") for line in every]

    def left_out(self) -> list[str]:
        """What of the data is not used, and which classes a split lacks: a clause each."""
        if self.task not in OF_CLASSES:
            return []
        return lacking_classes(self.class_names, {name: split.targets for name, split in self.splits.items()})

    def left_out_line(self) -> str:
        """What is left out in one line for the screen and the log; "" where nothing is."""
        clauses = self.left_out()
        return in_line(f"data: {'; '.join(clauses)}") if clauses else ""

    def record(self) -> dict[str, Any]:
        """What result.json holds of the data: facts, training counts, what is left out, and of a replicate its pool.

        Of other tasks than classification it holds the task; of changed data the changes with their counts.
        """
        left_out, uneven = self.left_out(), self.uneven_counts()
        changes = record(self.changed, self.changes, tuple(self.class_names))
        return {
            **self.facts(),
            "train_counts": self.train_counts(),
            **({} if uneven is None else {"class_counts": uneven}),
            **({} if self.task == "classification" else {"task": self.task}),
            **self.train_weights(),
            **({"left_out": left_out} if left_out else {}),
            **({"changes": changes} if changes else {}),
            **({} if self.replicate is None else {"pool": len(self.pool()), "folds": self.folds}),
        }

    def train_counts(self) -> dict[str, int]:
        """Count the training examples, and those of the smallest and the largest class, or label."""
        targets = self.splits["train"].targets
        if self.task not in OF_CLASSES:
            return {"examples": len(targets)}
        classes = class_counts(targets, self.num_classes)
        return {"examples": len(targets), "smallest_class": int(classes.min()), "largest_class": int(classes.max())}

    def uneven_counts(self) -> list[int] | None:
        """Count the training examples of each class where they are uneven: the largest has twice the smallest, or more.

        Of replicates a change of theirs, or else the pool, decides whether they are: all of them are measured alike.
        """
        if self.task not in ONE_CLASS:
            return None
        counts = class_counts(self.splits["train"].targets, self.num_classes)
        return counts.tolist() if self._is_uneven(counts) else None

    def _is_uneven(self, counts: np.ndarray) -> bool:
        if self.replicate is not None:
            if self.changes.imbalance is not None:
                return self.changes.imbalance >= UNEVEN
            counts = class_counts(self.pool().targets, self.num_classes)
        return bool(counts.max() >= UNEVEN * counts.min())

    def train_weights(self) -> dict[str, Any]:
        """What result.json holds of the weights of training examples; nothing where all count alike."""
        weights = self.splits["train"].weights
        if weights is None:
            return {}
        return {"train_weights": {"smallest": float(weights.min()), "largest": float(weights.max())}}

    def pictures(self, ids: Sequence[str]) -> list[np.ndarray]:
        """What examples look like.

        Args:
            ids: names of examples of the pool.

        Returns:
            uint8 (height, width, 1) or (height, width, 3) of each; [] of data that are no pictures.

        Raises:
            ValueError: the data set has no such example, or its picture cannot be read.
        """
        if self.members > 1 or len(self.input_shape) != 3 or self.input_shape[0] not in (1, 3):
            return []
        pool = self.pool()
        place = {name: k for k, name in enumerate(pool.ids.tolist())}
        if unknown := [name for name in ids if name not in place]:
            raise ValueError(f"the data set has no example {unknown[0]}")
        low, high = float(pool.inputs.min()), float(pool.inputs.max())
        shown = np.rint((pool.inputs[[place[name] for name in ids]] - low) * (255 / ((high - low) or 1)))
        return list(shown.astype(np.uint8).transpose(0, 2, 3, 1))

    def check_examples(self, splits: object) -> None:
        """Check the arrays of train, val and test.

        Raises:
            ValueError: one line that names the split and the array, what was found and what is expected.
        """
        members = (self.members,) if self.members > 1 else ()
        is_image_set = hasattr(self, "image_size")  # its inputs name or number the images
        check_arrays(splits, self.task, None if is_image_set else (*members, *self.input_shape), self.num_classes)

    def fitted_like(self, other: "Source") -> Self:
        """Give the same examples encoded as those of another data set, on which a model was trained."""
        return self

    def initial_weight(self, seed: int) -> np.ndarray | None:
        """Initial weights (C, D) that belong to the data set, or None."""
        return None


AnySource = TypeVar("AnySource", bound=Source)


def replicated(source: AnySource, replicate: int) -> AnySource:
    """Give a data set with the splits of a replicate; both share what they read.

    Args:
        source: the data set, with the splits of load().
        replicate: r >= 0.
    """
    return _copied(source, replicate=replicate)


def _copied(source: AnySource, **own: object) -> AnySource:
    """Give a data set with other splits, which shares what all splits are made of."""
    copied = copy.copy(source)
    for name in ("splits", "changed", "unchanged"):
        vars(copied).pop(name, None)
    vars(copied).update(_whole=source._whole, **own)  # the data set's class is frozen
    return copied
