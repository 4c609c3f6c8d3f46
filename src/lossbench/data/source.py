"""What a data set is: its examples, and what it says of itself. Torch-free."""

from abc import ABC
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np

from lossbench.data.about import described
from lossbench.data.changes.apply import lines, record
from lossbench.data.drawn import DrawnExamples
from lossbench.data.drawn import replicated as replicated
from lossbench.data.folds import stratified_split as stratified_split  # where data sets of one's own find it
from lossbench.data.split import OF_CLASSES, ONE_CLASS, SPLITS, class_counts, lacking_classes
from lossbench.data.split import Split as Split
from lossbench.escaping import in_line

UNEVEN = 2
"""The largest class has so many times the training examples of the smallest one where their counts are uneven."""


class Source(DrawnExamples, ABC):
    """A data set's description; subclasses are frozen dataclasses whose fields are its settings, checked when built."""

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

    def fitted_like(self, other: "Source") -> Self:
        """Give the same examples encoded as those of another data set, on which a model was trained."""
        return self

    def initial_weight(self, seed: int) -> np.ndarray | None:
        """Initial weights (C, D) that belong to the data set, or None."""
        return None
