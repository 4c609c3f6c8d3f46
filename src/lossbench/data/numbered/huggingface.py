"""Data sets of Hugging Face's library `datasets`: a name on the hub, a folder or a Parquet file."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from lossbench.data.images.decode import describe
from lossbench.data.labels import ReadLabels
from lossbench.data.numbered.encoded import EncodedImages
from lossbench.data.numbered.huggingface_sets import Columns, columns_of, files_of, labels_in, open_set, parts_of
from lossbench.data.parted import Examples, positions_of
from lossbench.data.split import SPLITS, Split
from lossbench.errors import some


@dataclass(frozen=True)
class Opened:
    """A data set, opened.

    Args:
        parts: part -> its images, encoded, one a row.
        labels: part -> labels.
        columns: which columns are used.
        unused: what of the data set is not used, a clause each.
    """

    parts: Mapping[str, Any]
    labels: Mapping[str, ReadLabels]
    columns: Columns
    unused: list[str]

    @cached_property
    def starts(self) -> np.ndarray:
        """The number of the first image of each part and, last, how many there are."""
        return np.cumsum([0, *map(len, self.parts.values())])


@dataclass(frozen=True, kw_only=True)
class HuggingFace(EncodedImages):
    """Images and labels of a data set that `datasets` opens; no code of the data set is run.

    Args:
        path: a name on the hub, a folder, or a Parquet or Arrow file.
        config: of data sets that come in several configurations.
        image: the column of images; None finds the only one.
        target: the column of labels; None finds the only one.
        split_names: train, val and test -> what they are called there; None goes by their names.
    """

    path: str
    config: str | None = None
    image: str | None = None
    target: str | None = None
    split_names: Mapping[str, str] | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.path, str) or not self.path:
            raise ValueError(f"path must be a folder, a Parquet file or a data set of the hub, got {self.path!r}")
        names = self.split_names
        if names is not None and not (isinstance(names, Mapping) and "train" in names and {*names} <= {*SPLITS}):
            raise ValueError(f"split_names must be such as {{train:full,test:holdout}}, got {names!r}")
        super().__post_init__()

    @property
    def title(self) -> str:
        """The name of the folder, or on the hub."""
        return Path(self.path).name if os.path.exists(os.path.expanduser(self.path)) else self.path

    @property
    def task(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride] - the labels decide it
        """classification, or multi_label where the column of labels holds lists."""
        return self.opened_set.labels["train"].task

    @cached_property
    def _opened_set(self) -> Opened:
        found = open_set(self.path, self.config)
        names = parts_of([*found], self.split_names)
        columns = columns_of(found[names["train"]].features, self.image, self.target)
        labels, without = labels_in({part: found[name] for part, name in names.items()}, columns.target)
        plain = import_module("datasets").Image(decode=False)
        parts = {part: found[names[part]].cast_column(columns.image, plain) for part in labels}
        others = [name for name in found if name not in names.values()]
        return Opened(
            parts, labels, columns, [*_unused(columns, others), *(f"{part} has no labels" for part in without)]
        )

    @property
    def opened_set(self) -> Opened:
        """The data set, opened once."""
        return self._whole._opened_set

    def first_size(self) -> tuple[int, int]:
        """Height and width of the first image that can be read."""
        for index in range(self.state()[0]):
            try:
                found = describe(self.content(index), "")
            except (OSError, ValueError):  # named when all are checked
                continue
            return found.height, found.width
        raise ValueError(f"{self.place} has no image that can be read")

    def state(self) -> tuple[int, str]:
        """How many images there are, and the files that hold them."""
        opened = self.opened_set
        files = [line for split in opened.parts.values() for line in files_of(split)]
        return int(opened.starts[-1]), "\n".join([opened.columns.image, *map(str, opened.starts.tolist()), *files])

    def content(self, index: int) -> bytes:
        """Give the bytes of an image; b"" where the row has none."""
        opened = self.opened_set
        place = int(np.searchsorted(opened.starts, index, side="right")) - 1
        part = [*opened.parts.values()][place]
        cell = part[index - int(opened.starts[place])][opened.columns.image] or {}
        if cell.get("bytes") is not None:
            return cell["bytes"]
        return Path(cell["path"]).read_bytes() if cell.get("path") else b""

    def read(self) -> Examples:
        """Number the images part by part."""
        opened = self.opened_set
        sizes = {part: len(labels.targets) for part, labels in opened.labels.items()}
        ids = np.array([f"{part}-{i}" for part, n in sizes.items() for i in range(n)])
        targets = np.concatenate([labels.targets for labels in opened.labels.values()])
        kept, unread = self.readable(ids)
        number = np.full(len(ids), -1)
        number[kept] = np.arange(len(kept))
        given = {part: number[positions] for part, positions in positions_of(sizes).items()}
        return Examples(
            Split(kept, targets[kept], ids[kept]),
            {part: positions[positions >= 0] for part, positions in given.items()},
            opened.labels["train"].class_names,
            notes=[
                f"images of column {opened.columns.image}, labels of column {opened.columns.target}",
                *_noted(opened),
            ],
            unused=[*opened.unused, *unread],
        )


def _noted(opened: Opened) -> list[str]:
    note = opened.labels["train"].note
    return [note] if note else []


def _unused(columns: Columns, splits: list[str]) -> list[str]:
    """Name the splits and columns that are not used."""
    both = {"splits": splits, "columns": columns.unused}
    return [f"{what} that are not used: {some(names)}" for what, names in both.items() if names]
