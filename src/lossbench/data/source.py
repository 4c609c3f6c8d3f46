"""What a data set is: named splits of inputs, targets and ids, with a fingerprint. Torch-free."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

import numpy as np

from lossbench.data.about import described
from lossbench.data.folds import draw_parts, repeated_folds
from lossbench.data.split import OF_CLASSES, SPLITS, Split, class_counts, joined, lacking_classes, rarest_labels
from lossbench.escaping import in_line
from lossbench.seeds import generator

if TYPE_CHECKING:
    from hashlib import _Hash


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
        """The examples of train, val and test, read once."""
        if self.replicate is None:
            return self._whole._loaded
        pool = self.pool()
        return {name: pool.take(positions) for name, positions in self.draw(self.replicate).items()}

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
        return split.targets if self.task == "classification" else np.zeros(len(split), dtype=np.int64)

    @cached_property
    def _loaded_pool(self) -> Split:
        """The splits of load(), one after another."""
        check_arrays(self, self._loaded)
        return joined([self._loaded[name] for name in SPLITS])

    def fingerprint(self) -> str:
        """Hash the examples and what splits them: 16 hexadecimal digits of SHA-256, the same for all replicates."""
        return self._whole._fingerprint_of_splits if self.replicate is None else self._whole._fingerprint_of_pool

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
        kinds = {"label": "labels, any number of which hold", "class": "classes"}
        kind = f"{self.num_classes:,} {kinds[each]}" if self.class_names else self.task
        sizes = {name: len(self.splits[name]) for name in SPLITS}
        lines = [described(kind, unit, sizes, self.train_counts(), each)]
        if self.replicate is None:
            return lines
        if self.folds is None:
            return [*lines, "every replicate keeps the test part; train and val are drawn anew"]
        return [*lines, f"each replicate is tested on one of {self.folds} folds of all {len(self.pool()):,} {unit}"]

    def about_lines(self, name: str) -> list[str]:
        """What the data are, for the screen and the log.

        Args:
            name: of the data set on the command line, such as image_folder.
        """
        first, *decided = self.about()
        title = f"{self.title} ({name})" if self.title else name
        return [in_line(f"data: {line}") for line in (f"{title}, {first}", *decided)]

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

        Of other tasks than classification it holds the task.
        """
        left_out = self.left_out()
        return {
            **self.facts(),
            "train_counts": self.train_counts(),
            **({} if self.task == "classification" else {"task": self.task}),
            **self.train_weights(),
            **({"left_out": left_out} if left_out else {}),
            **({} if self.replicate is None else {"pool": len(self.pool()), "folds": self.folds}),
        }

    def train_counts(self) -> dict[str, int]:
        """Count the training examples, and those of the smallest and the largest class, or label."""
        targets = self.splits["train"].targets
        if self.task not in OF_CLASSES:
            return {"examples": len(targets)}
        classes = class_counts(targets, self.num_classes)
        return {"examples": len(targets), "smallest_class": int(classes.min()), "largest_class": int(classes.max())}

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
    copied = copy.copy(source)
    vars(copied).pop("splits", None)
    vars(copied).update(replicate=replicate, _whole=source._whole)  # the data set's class is frozen
    return copied


def check_arrays(source: Source, splits: object) -> None:
    """Check the arrays of train, val and test (see `check_splits`)."""
    if not isinstance(splits, Mapping):
        raise ValueError(f"load() must give a mapping of splits by name, got {type(splits).__name__}")
    for name in SPLITS:
        split = splits.get(name)
        if split is not None and not isinstance(split, Split):
            raise ValueError(f"load(): {name} must be a Split, got {type(split).__name__}")
        if split is None or not len(split):
            raise ValueError(f"load() must give examples for train, val and test, and gives none for {name}")
        _check_arrays(source, name, split)


def _check_arrays(source: Source, name: str, split: Split) -> None:
    n, members = len(split), (source.members,) if source.members > 1 else ()
    if not hasattr(source, "image_size"):  # image data sets name or number their inputs
        _require(f"{name} inputs", split.inputs, "float32", (n, *members, *source.input_shape))
    if source.task == "classification":
        _require(f"{name} targets", split.targets, "int64", (n,))
        found, classes = (int(split.targets.min()), int(split.targets.max())), source.num_classes
        if found[0] < 0 or found[1] >= classes:
            raise ValueError(f"load(): {name} targets must be within 0 and {classes - 1}, got {found[0]} to {found[1]}")
    elif source.task == "multi_label":
        _require(f"{name} targets", split.targets, "float32", (n, source.num_classes))
        if not np.isin(split.targets, (0, 1)).all():
            raise ValueError(f"load(): {name} targets of multi_label must be 0 or 1 for each label")
    else:
        _require(f"{name} targets", split.targets, "float32", (n, *split.targets.shape[1:]))
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


def stratified_split(
    targets: np.ndarray, rng: np.random.Generator, *, val: float, test: float, per_class: int | None = None
) -> dict[str, np.ndarray]:
    """Split examples class by class; a smaller `per_class` is a subset of a larger one.

    Args:
        targets: class indices, (n,).
        rng: the split's own generator.
        val: the validation fraction of each class, in (0, 1).
        test: the test fraction of each class, in (0, 1).
        per_class: training examples kept of each class; None keeps all.

    Returns:
        Positions, sorted, for train, val and test.

    Raises:
        ValueError: a class has fewer than `per_class` training examples.
    """
    parts: dict[str, list[np.ndarray]] = {name: [] for name in SPLITS}
    for label in np.unique(targets):
        members = rng.permutation(np.flatnonzero(targets == label))
        n_test, n_val = round(len(members) * test), round(len(members) * val)
        train = members[n_test + n_val :]
        if per_class is not None and per_class > len(train):
            raise ValueError(
                f"images_per_class must be <= {len(train)} (class {label} has no more training images), got {per_class}"
            )
        parts["test"].append(members[:n_test])
        parts["val"].append(members[n_test : n_test + n_val])
        parts["train"].append(train[:per_class])
    return {name: np.sort(np.concatenate(chunks)) for name, chunks in parts.items()}
