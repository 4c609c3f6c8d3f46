"""Settings of a data set whose images are named by a table. Torch-free."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lossbench.config.values import choice, integer, number, path_text
from lossbench.data.image_tables.columns import AUTO
from lossbench.data.images.source import FileSource

LABELS = {"one": False, "several": True}
COLUMNS = ("image", "split", "group", "weight", "test_target")


@dataclass(frozen=True, kw_only=True)
class TableSettings(FileSource):
    """Images that a table names.

    Args:
        path: the table: .csv, .tsv, .jsonl (also .gz) or .parquet.
        image: the column of the files below the root; auto finds it.
        target: the column of the class, or of lists of labels; several columns of 0 and 1, one a label; auto finds it.
        test_target: the column of the class of test images, where that is another one, as of noisy training labels.
        separator: what stands between the labels of a cell, such as ";"; None is for one class a cell.
        labels: one or several of each image; auto sees it in the table.
        root: the folder of the images; None is that of the table.
        ending: what the names of files lack, such as ".jpg".
        split: the column that says train, val or test; auto finds it, also as the first folder of the files; None draws
            all splits.
        group: the column of what no two splits share, such as the patient.
        weight: the column of how much each image counts in training, > 0.
        split_seed: draws what is held out, >= 0.
        val_fraction: share held out for validation of what is not for testing, in (0, 1).
        test_fraction: share held out for testing, in (0, 1); 1 / k for replicates.
    """

    root: str | None = None  # pyright: ignore[reportIncompatibleVariableOverride] - the table has a folder
    path: str
    image: str = AUTO
    target: str | Sequence[str] = AUTO
    test_target: str | None = None
    separator: str | None = None
    labels: str = AUTO
    ending: str = ""
    split: str | None = AUTO
    group: str | None = None
    weight: str | None = None
    split_seed: int = 0
    val_fraction: float = 0.2
    test_fraction: float = 0.2

    def __post_init__(self) -> None:
        path_text("path", self.path, "a table of images: .csv, .tsv, .parquet or .jsonl")
        if self.root is None:
            object.__setattr__(self, "root", os.path.dirname(self.path) or ".")  # the class is frozen
        super().__post_init__()
        choice("labels", self.labels, (AUTO, *LABELS))
        integer("split_seed", self.split_seed, low=0)
        number("val_fraction", self.val_fraction, 0, above=True, below=1)
        number("test_fraction", self.test_fraction, 0, above=True, below=1)
        for name in COLUMNS:
            if name == "image" or getattr(self, name) is not None:
                _require_text(name, getattr(self, name), "a column of the table")
        if self.separator is not None:
            _require_text("separator", self.separator, "what stands between the labels of a cell, such as ';', or null")
        if self.ending:
            _require_text("ending", self.ending, "what the names of files lack, such as .jpg")
        self._check_target()

    def _check_target(self) -> None:
        """Require a column, or several different ones."""
        wanted = "a column of the table, or a list of columns of 0 and 1"
        for name in self.targets or (None,):
            _require_text("target", name, wanted)
        if len(set(self.targets)) < len(self.targets):
            raise ValueError(f"target lists a column twice: {list(self.targets)}")

    @property
    def targets(self) -> tuple[str, ...]:
        """The columns of labels that are typed."""
        given: Any = self.target
        return tuple(given) if isinstance(given, Sequence) and not isinstance(given, str) else (given,)


def _require_text(name: str, value: object, what: str) -> None:
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name} must be {what}, got {value!r}")
