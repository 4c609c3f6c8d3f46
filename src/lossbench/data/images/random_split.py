"""Images in the parts train, val and test, of which those that are missing are held out of train. Torch-free."""

import os
from abc import abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path

from lossbench.config.values import integer, number, path_text
from lossbench.data.folds import fold_count
from lossbench.data.images.given import Given
from lossbench.data.images.listing import Listing, check_classes
from lossbench.data.images.lists import FileList, read_list
from lossbench.data.images.source import POOL, FileSource
from lossbench.data.images.subset import first_of_each, hold_out_by_class, ranked
from lossbench.data.split import SPLITS
from lossbench.errors import some


@dataclass(frozen=True, kw_only=True)
class RandomSplitSource(FileSource):
    """Images that come as train, val and test; what is missing is held out of train, class by class.

    What is drawn depends on the names of the images and a seed alone. Replicates keep a test part that is there; where
    there is none they test on folds of all images.

    Args:
        images_per_class: images of each class to learn and choose from (train and val together, train alone where val
            is there), nested; None takes all.
        split_seed: draws the subset and the splits, >= 0.
        val_fraction: share of them held out for validation, in (0, 1).
        train_list: a text file of lines `class/file` or `class/file label`, instead of folders.
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

    @abstractmethod
    def given(self) -> Given:
        """Find the parts that the collection comes with."""

    @property
    @abstractmethod
    def test_share(self) -> float:
        """The share of each class that is held out for testing where there is no test part."""

    @property
    def may_be_short(self) -> bool:
        """Whether a class that has fewer than images_per_class gives all it has."""
        return False

    def names_of(self, classes: tuple[str, ...]) -> tuple[str, ...]:
        """What the classes are called."""
        return classes

    @property
    def parts(self) -> Given:
        """The parts that the collection comes with, read once."""
        return self._whole._parts

    @cached_property
    def _parts(self) -> Given:
        return self.given()

    @property
    def folds(self) -> int | None:
        """1 / the share held out for testing, so that the test parts cover all images; None where test is there."""
        return None if "test" in self.parts.images else fold_count("test_fraction", self.test_share)

    def listing(self) -> Listing:
        """Hold the missing parts out of train."""
        given = self.parts
        learn = {label: ranked(names, self.split_seed) for label, names in given.images["train"].items()}
        files = {part: given.names(part) for part in given.images}
        shares: dict[str, float] = {}
        if "test" not in files:
            shares["test"] = self.test_share
            learn, files["test"] = hold_out_by_class(learn, self.test_share)
        train = taken = first_of_each(learn, self.images_per_class, may_be_short=self.may_be_short)
        if "val" not in files:
            shares["val"] = self.val_fraction
            train, files["val"] = hold_out_by_class(taken, self.val_fraction)
        files["train"] = [*chain.from_iterable(train.values())]
        _require_some(files)
        left_out = [*self.fewer(_size(taken), _size(learn)), *given.left_out]
        decided = [*given.said(shares, vars(self)), *self._short({label: len(learn[label]) for label in learn})]
        return self._listing({split: files[split] for split in SPLITS}, left_out, decided)

    def pool_listing(self) -> Listing:
        """All images; beside a test part those of the splits."""
        if (folds := self.folds) is None:
            return super().pool_listing()
        given = self.parts
        names = [*chain.from_iterable(map(given.names, given.images))]
        counts = Counter(map(given.index().__getitem__, names))
        learn = {given.classes[k]: n - -(-n // folds) for k, n in sorted(counts.items())}
        return self._listing({POOL: names}, given.left_out, [*given.said_of_pool(), *self._short(learn)])

    def _listing(self, files: Mapping[str, Sequence[str]], left_out: Sequence[str], decided: Sequence[str]) -> Listing:
        given, index = self.parts, self.parts.index()
        ordered = {part: sorted(names) for part, names in files.items()}
        targets = {part: [index[name] for name in names] for part, names in ordered.items()}
        found = Listing(self.names_of(given.classes), ordered, targets, given.facts, left_out, decided)
        check_classes(self.root, found)
        return found

    def left_out(self) -> list[str]:
        """Beside what is not used of any data set of files: what images_per_class leaves out of a replicate."""
        if self.replicate is None or self.images_per_class is None or self.folds is None:
            return super().left_out()
        sizes = {name: len(split) for name, split in self.readable_splits().items()}
        there = len(self._whole._readable_pool) - sizes["test"]
        return [*self.fewer(sizes["train"] + sizes["val"], there), *super().left_out()]

    def fewer(self, n: int, total: int) -> list[str]:
        """Say how many images are used to learn and choose from, where that is not all."""
        what = f"using {n:,} of {total:,} training images (data.images_per_class={self.images_per_class})"
        return [what] if n < total else []

    def _short(self, learn: Mapping[str, int]) -> Iterator[str]:
        """Name the classes that have fewer images to learn and choose from than images_per_class."""
        if short := [f"{label} ({n})" for label, n in learn.items() if n < (self.images_per_class or 0)]:
            what = f"classes with fewer than data.images_per_class={self.images_per_class} images give all they have"
            yield f"{what}: {some(short)}"

    def lists(self, *, strict: bool = True) -> dict[str, FileList]:
        """Read the lists that are given: split -> list."""
        given = {"train": self.train_list, "val": self.val_list, "test": self.test_list}
        return {
            split: read_list(Path(os.path.expanduser(path)), strict=strict) for split, path in given.items() if path
        }


def _require_some(files: Mapping[str, Sequence[str]]) -> None:
    """Require an image in each split.

    Raises:
        ValueError: names the fraction that leaves none.
    """
    for split, names in files.items():
        if not names:
            setting = "test_fraction" if split == "test" else "val_fraction"
            raise ValueError(f"{setting} leaves no {split} images in classes of this size")


def _size(groups: Mapping[str, Sequence[str]]) -> int:
    return sum(map(len, groups.values()))
