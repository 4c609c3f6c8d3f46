"""Settings of data sets whose training images are a random subset of each class, or files on a list."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lossbench.config.values import integer, number, path_text
from lossbench.data.images.lists import FileList, read_list
from lossbench.data.images.source import FileSource


@dataclass(frozen=True, kw_only=True)
class RandomSplitSource(FileSource):
    """Images of class folders, split at random by their names and a seed, or by lists.

    Args:
        images_per_class: images of each class to learn and choose from (train and val together), nested; None takes
            all.
        split_seed: draws the subset and the splits, >= 0.
        val_fraction: share of them held out for validation, in (0, 1).
        train_list: a text file of lines `class/file` or `class/file label`, instead of drawing.
        val_list: the same for validation.
        test_list: the same for testing.
    """

    images_per_class: int | None = None
    split_seed: int = 0
    val_fraction: float = 0.2
    train_list: str | None = None
    val_list: str | None = None
    test_list: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.images_per_class is not None:
            integer("images_per_class", self.images_per_class, low=2)
        integer("split_seed", self.split_seed, low=0)
        number("val_fraction", self.val_fraction, 0, above=True, below=1)
        for name in ("train_list", "val_list", "test_list"):
            if (path := getattr(self, name)) is not None:
                path_text(name, path, "a file of lines class/file, or null")

    def not_drawn(self, taken: Mapping[str, Sequence[str]], there: Mapping[str, Sequence[str]]) -> list[str]:
        """Say how many images `images_per_class` leaves out of those to learn and choose from, class by class."""
        return self.fewer(*(sum(map(len, groups.values())) for groups in (taken, there)))

    def fewer(self, n: int, total: int) -> list[str]:
        """Say how many images are used to learn and choose from, where that is not all."""
        what = f"using {n:,} of {total:,} training images (data.images_per_class={self.images_per_class})"
        return [what] if n < total else []

    def lists(self) -> dict[str, FileList]:
        """Read the lists that are given: split -> list."""
        given = {"train": self.train_list, "val": self.val_list, "test": self.test_list}
        return {split: read_list(Path(os.path.expanduser(path))) for split, path in given.items() if path}
