"""Data sets of image files: which there are, which cannot be read, how replicates are drawn from them. Torch-free."""

import os
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, combinations
from pathlib import Path
from typing import Any

import numpy as np

from lossbench.config.values import choice, path_text
from lossbench.data.folds import draw_parts
from lossbench.data.images.decode import read_rgb
from lossbench.data.images.image_source import ImageSource
from lossbench.data.images.inspection import Inspection
from lossbench.data.images.listing import Listing, OpenedFiles
from lossbench.data.images.lists import unsafe
from lossbench.data.images.resplit import resplit
from lossbench.data.split import SPLITS, Split, class_counts, joined, lacking_classes
from lossbench.errors import UserError, some
from lossbench.seeds import generator

POOL, LEARN = "pool", "learn"
"""What replicates are drawn from: everything, or what a published test part leaves."""


@dataclass(frozen=True, kw_only=True)
class FileSource(ImageSource):
    """Images in files below one folder.

    Args:
        root: the folder.
        on_bad_image: "error" refuses to train on data with unreadable images, "skip" leaves them out and counts them.
    """

    root: str
    on_bad_image: str = "error"

    def __post_init__(self) -> None:
        super().__post_init__()
        choice("on_bad_image", self.on_bad_image, ("error", "skip"))
        path_text("root", self.root, "a folder")

    @property
    def folder(self) -> Path:
        """The root as a path."""
        return Path(os.path.expanduser(self.root)).absolute()

    @property
    def title(self) -> str:
        """The folder's name."""
        return self.folder.name

    @abstractmethod
    def listing(self) -> Listing:
        """Say which files belong to which split and class, without opening images.

        Raises:
            ValueError: a folder or list is missing or wrong.
        """

    def pool_listing(self) -> Listing:
        """Say which files replicates are drawn from: by default those of all splits, the published test part apart."""
        parts = {POOL: SPLITS} if self.folds else {LEARN: ("train", "val"), "test": ("test",)}
        return self._whole._files_of_splits.listing.pooled(parts)

    @cached_property
    def _files_of_splits(self) -> OpenedFiles:
        return self._opened(self.listing())

    @cached_property
    def _files_of_pool(self) -> OpenedFiles:
        return self._opened(self.pool_listing())

    def _opened(self, listing: Listing) -> OpenedFiles:
        """Check that no image is in two parts and no name leaves the folder."""
        for part, names in listing.files.items():
            for name in names:
                if reason := unsafe(name):
                    raise ValueError(
                        f"root={self.root}: {name!r} of the {part} split {reason}; names must stay in the folder"
                    )
        for first, second in combinations(listing.files, 2):
            if both := {*listing.files[first]} & {*listing.files[second]}:
                raise ValueError(
                    f"root={self.root}: the {first} and {second} splits share {len(both)} images, for instance "
                    f"{min(both)}"
                )
        return OpenedFiles(listing, self.folder, self.cache)

    @property
    def opened(self) -> OpenedFiles:
        """The files of the splits, or of a replicate those that all replicates are drawn from."""
        return self._whole._files_of_splits if self.replicate is None else self._whole._files_of_pool

    @property
    def listed(self) -> Listing:
        """Which files there are, read once."""
        return self.opened.listing

    @property
    def inspections(self) -> Mapping[str, Inspection]:
        """What is in the listed files: part -> a row for each."""
        return self.opened.inspections

    @property
    def class_names(self) -> tuple[str, ...]:  # pyright: ignore[reportIncompatibleVariableOverride] - the folder decides it here
        """The classes, in the order of their indices."""
        return self.listed.classes

    def load(self) -> Mapping[str, Split]:
        """List the readable images.

        Raises:
            UserError: an image cannot be read and on_bad_image is error.
            ValueError: a split has no image that can be read.
        """
        files = self._files_of_splits
        self._refuse_bad(files)
        splits = {name: files.readable(name) for name in SPLITS}
        for name, split in splits.items():
            if not len(split):
                raise ValueError(f"root={self.root} has no readable {name} image")
        self._require_learnt(splits["train"], files.listing)
        return splits

    def pool(self) -> Split:
        """The readable images that replicates are drawn from.

        Raises:
            UserError: an image cannot be read and on_bad_image is error.
        """
        self._refuse_bad(self._whole._files_of_pool)
        return self._whole._readable_pool

    @cached_property
    def _readable_pool(self) -> Split:
        files = self._files_of_pool
        return joined([files.readable(part) for part in files.listing.files])

    def draw(self, replicate: int) -> Mapping[str, np.ndarray]:
        """Draw the splits of a replicate: by folds, or train and val anew and test kept, as large as in load().

        Settings that are called split_seed, val_fraction and images_per_class mean here what they mean for load().

        Raises:
            ValueError: a class has too few images.
        """
        seed: int = getattr(self, "split_seed", 0)
        if (folds := self.folds) is None:
            return self._drawn_anew(generator(seed, "replicate", replicate))
        return resplit(
            self._whole._readable_pool.targets,
            replicate,
            folds=folds,
            val_fraction=getattr(self, "val_fraction", None) or self._val_share(),
            seed=seed,
            classes=self._whole._files_of_pool.listing.classes,
            per_class=getattr(self, "images_per_class", None),
            may_be_short=getattr(self, "may_be_short", False),
        )

    def _drawn_anew(self, rng: np.random.Generator) -> Mapping[str, np.ndarray]:
        pool, val = self._whole._readable_pool, self._whole._files_of_splits.count("val")
        learn = self._whole._files_of_pool.count(LEARN)
        validation, learnt = draw_parts(pool.targets[:learn], (val,), rng)
        self._require_learnt(pool.take(learnt), self._whole._files_of_pool.listing)
        return {"train": np.sort(learnt), "val": np.sort(validation), "test": np.arange(learn, len(pool))}

    def _val_share(self) -> float:
        """The validation split's share of what the listing learns from and validates on."""
        train, val = (len(self._whole._files_of_splits.listing.files[name]) for name in ("train", "val"))
        return val / (train + val)

    def bad(self) -> list[tuple[str, str, str]]:
        """The images that cannot be read: part, path and reason."""
        return self.opened.bad()

    def _refuse_bad(self, files: OpenedFiles) -> None:
        bad = files.bad() if self.on_bad_image == "error" else []
        if bad:
            total = sum(map(len, files.listing.files.values()))
            raise UserError(
                f"{len(bad)} of {total} images cannot be read, the first is {bad[0][1]} ({bad[0][2]}); list them all "
                "with lossbench check, then repair or delete them, or leave them out with data.on_bad_image=skip"
            )

    def _require_learnt(self, train: Split, listing: Listing) -> None:
        """Require an image to learn from of every class that the data set has; a label may lack one."""
        if self.task == "multi_label":
            return
        if lost := {*chain.from_iterable(listing.targets.values())} - {*train.targets.tolist()}:
            raise ValueError(
                f"root={self.root}: no training image of {some(listing.classes[i] for i in sorted(lost))} can be "
                "read; repair one, or remove the class"
            )

    def sizes(self, split: Split) -> np.ndarray:
        """Heights and widths of a split's images, upright, pixels: (n, 2)."""
        return np.array([self._row(name)[:2] for name in split.inputs.tolist()], dtype=np.int64)

    def _row(self, name: str) -> tuple[int, int, str]:
        """Height, width and hash of an image of the splits, or of the pool, which may hold images of no split."""
        return self.opened.row.get(name) or self._whole._files_of_pool.row[name]

    def digests(self, split: Split) -> np.ndarray:
        """A hash of the content of each of a split's images: (n,) text."""
        return np.array([self._row(name)[2] for name in split.inputs.tolist()])

    def pictures(self, ids: Sequence[str]) -> list[np.ndarray]:
        """Read images by their names below the folder: uint8 (height, width, 3), upright."""
        return [self._picture(name) for name in ids]

    def _picture(self, name: str) -> np.ndarray:
        if reason := unsafe(name):
            raise ValueError(f"{name!r} {reason}")
        try:
            return read_rgb((self.folder / name).read_bytes())
        except OSError as error:
            raise ValueError(f"{name} cannot be read: {error.strerror}") from error

    def facts(self) -> dict[str, Any]:
        """Lists with their hashes; how many images are unreadable, and how many of val and test are in train."""
        skipped = {name: int((found.reason != "").sum()) for name, found in self.inspections.items()}
        return {**self.listed.facts, "skipped_images": skipped, "learnt_images": self.learnt()}

    def about(self) -> list[str]:
        """What the data are, what became what, and how many images of val and test are known from training."""
        first, *of_replicates = super().about()
        leaks = [
            f"{n:,} {split} images have the content of a training image" for split, n in self.learnt().items() if n
        ]
        leaks = [f"{leak}: a score on them says nothing about new images" for leak in leaks]
        return [first, *self.listed.decided, *of_replicates, *leaks]

    def left_out(self) -> list[str]:
        """What in the folder is not used, what cannot be read, and which classes a split, or a replicate, lacks."""
        skipped = sum(int((found.reason != "").sum()) for found in self.inspections.values())
        skips = skipped and self.on_bad_image == "skip"
        unread = [f"{skipped:,} images cannot be read (data.on_bad_image=skip)"] if skips else []
        lacking = lacking_classes(self.own_names, self.readable_targets())
        return [*self.listed.left_out, *unread, *lacking, *self._rare()]

    def _rare(self) -> list[str]:
        """Name the classes that some replicates do not test."""
        if self.replicate is None or self.folds is None:
            return []
        counts = class_counts(self._whole._readable_pool.targets, self.num_classes)
        rare = [f"{self.own_names[i]} ({counts[i]})" for i in np.flatnonzero(counts < self.folds).tolist()]
        what = f"classes with fewer images than the {self.folds} folds, which some replicates do not test"
        return [f"{what}: {some(rare)}"] if rare else []

    def readable_splits(self) -> Mapping[str, Split]:
        """The images of each split that can be read, whether or not the others are an error."""
        if self.replicate is None:
            return {name: self.opened.readable(name) for name in SPLITS}
        pool = self._whole._readable_pool
        return {name: pool.take(positions) for name, positions in self.draw(self.replicate).items()}

    def readable_targets(self) -> dict[str, np.ndarray]:
        """The class indices of the images that can be read: split -> (n,)."""
        return {name: split.targets for name, split in self.readable_splits().items()}

    def contents(self) -> Iterator[tuple[str, object, str]]:
        """Give the hash of the content, the class index, or the labels, and the name of every readable file."""
        for part, names in self.listed.files.items():
            targets = np.array(self.listed.targets[part])
            labels = map(tuple, targets.tolist()) if targets.ndim > 1 else targets.tolist()
            columns = (self.inspections[part].digest.tolist(), labels, names)
            for digest, target, name in zip(*columns, strict=True):
                if digest:
                    yield digest, target, name

    def learnt(self) -> dict[str, int]:
        """Count the readable images of val and test whose content is that of a training image, under whatever name."""
        digests = {name: self.digests(split).tolist() for name, split in self.readable_splits().items()}
        seen = {*digests["train"]}
        return {name: sum(digest in seen for digest in digests[name]) for name in ("val", "test")}
