"""Image data sets: crops, normalisation, which files there are and which cannot be read. Torch-free."""

import os
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lossbench.config.values import choice, integer, number, path_text
from lossbench.data.images.inspection import Inspection, inspect
from lossbench.data.images.lists import unsafe
from lossbench.data.images.subset import class_of
from lossbench.data.source import SPLITS, Source, Split, lacking_classes
from lossbench.errors import UserError, some

if TYPE_CHECKING:
    from hashlib import _Hash

LARGEST_SIDE, TOO_LARGE = 4096, "one image of that side takes 200 MB of memory"
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True, kw_only=True)
class ImageSource(Source):
    """Colour images; a split's inputs name them, the data module reads, crops and normalises them.

    Args:
        image_size: side of the square that the model sees, pixels, >= 8.
        resize: shorter side before the centre crop of evaluation, pixels, >= image_size; None is 8/7 of image_size,
            or image_size up to 64.
        mean: of the three channels, subtracted from values in [0, 1].
        std: of the three channels, > 0, divides what is left.
        cache_dir: where file checks, decoded images and features are kept.
    """

    image_size: int = 224
    resize: int | None = None
    mean: Sequence[float] = IMAGENET_MEAN
    std: Sequence[float] = IMAGENET_STD
    cache_dir: str = "~/.cache/lossbench"

    def __post_init__(self) -> None:
        path_text("cache_dir", self.cache_dir, "a folder")
        integer("image_size", self.image_size, 8, LARGEST_SIDE, TOO_LARGE)
        if self.resize is not None:
            integer("resize", self.resize, self.image_size, LARGEST_SIDE, TOO_LARGE)
        for name, values, above in (("mean", self.mean, False), ("std", self.std, True)):
            if not isinstance(values, Sequence) or len(values) != 3:
                raise ValueError(f"{name} must be three numbers such as [0.5,0.5,0.5], got {values!r}")
            for value in values:
                number(name, value, 0, above=above)

    @property
    def input_shape(self) -> tuple[int, ...]:  # pyright: ignore[reportIncompatibleVariableOverride] - a setting decides it here
        """Channels, height and width of what the model sees."""
        return (3, self.image_size, self.image_size)

    @property
    def shorter_side(self) -> int:
        """Pixels of the shorter side before the centre crop."""
        return self.resize or (self.image_size if self.image_size <= 64 else round(self.image_size * 8 / 7))

    @property
    def cache(self) -> Path:
        """Where file checks, decoded images and features are kept."""
        return Path(os.path.expanduser(self.cache_dir)).absolute()

    @abstractmethod
    def sizes(self, split: Split) -> np.ndarray:
        """Heights and widths of a split's images, upright, pixels: (n, 2)."""

    @abstractmethod
    def digests(self, split: Split) -> np.ndarray:
        """A hash of the content of each of a split's images: (n,) text."""

    def add_to(self, digest: "_Hash", name: str, split: Split) -> None:
        """Add ids, targets and the content of some images to a hash."""
        for row in zip(split.ids.tolist(), split.targets.tolist(), self.digests(split).tolist(), strict=True):
            digest.update(f"{name}\0{row[0]}\0{row[1]}\0{row[2]}\n".encode("utf-8", "surrogateescape"))


@dataclass(frozen=True)
class Listing:
    """What a data set consists of before any image is opened.

    Args:
        classes: names in the order of the class indices.
        files: split -> file names below the root, with forward slashes.
        targets: split -> their class indices.
        facts: what else belongs into a result, such as the hashes of split lists.
        left_out: what in the folder is not used, a clause each, such as "test/ is not used".
    """

    classes: tuple[str, ...]
    files: Mapping[str, Sequence[str]]
    targets: Mapping[str, Sequence[int]]
    facts: Mapping[str, Any]
    left_out: Sequence[str] = ()


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

    @abstractmethod
    def listing(self) -> Listing:
        """Say which files belong to which split and class, without opening images.

        Raises:
            ValueError: a folder or list is missing or wrong.
        """

    @cached_property
    def listed(self) -> Listing:
        """The listing, made once; no image is in two splits, no name leaves the folder."""
        listing = self.listing()
        for split, names in listing.files.items():
            for name in names:
                if reason := unsafe(name):
                    raise ValueError(
                        f"root={self.root}: {name!r} of the {split} split {reason}; names must stay in the folder"
                    )
        for first, second in combinations(SPLITS, 2):
            if both := {*listing.files[first]} & {*listing.files[second]}:
                raise ValueError(
                    f"root={self.root}: the {first} and {second} splits share {len(both)} images, for instance "
                    f"{min(both)}"
                )
        return listing

    @cached_property
    def class_names(self) -> tuple[str, ...]:  # pyright: ignore[reportIncompatibleVariableOverride] - the folder decides it here
        """The classes, in the order of their indices."""
        return self.listed.classes

    @cached_property
    def inspections(self) -> dict[str, Inspection]:
        """Every listed file of each split, opened once (and never again while it does not change)."""
        return {
            name: inspect(self.folder, self.listed.files[name], self.cache, progress=f"checking {name} images")
            for name in SPLITS
        }

    def bad(self) -> list[tuple[str, str, str]]:
        """The images that cannot be read: split, path and reason."""
        return [
            (name, str(self.folder / self.listed.files[name][i]), str(inspection.reason[i]))
            for name, inspection in self.inspections.items()
            for i in np.flatnonzero(inspection.reason != "").tolist()
        ]

    def load(self) -> Mapping[str, Split]:
        """List the readable images.

        Raises:
            UserError: an image cannot be read and on_bad_image is error.
            ValueError: a split has no image that can be read.
        """
        bad = self.bad()
        if bad and self.on_bad_image == "error":
            total = sum(map(len, self.listed.files.values()))
            raise UserError(
                f"{len(bad)} of {total} images cannot be read, the first is {bad[0][1]} ({bad[0][2]}); list them all "
                "with lossbench check, then repair or delete them, or leave them out with data.on_bad_image=skip"
            )
        splits = {}
        for name in SPLITS:
            if not (self.inspections[name].reason == "").any():
                raise ValueError(f"root={self.root} has no readable {name} image")
            names, targets = (
                np.array(self.listed.files[name], dtype=np.str_),
                np.array(self.listed.targets[name], dtype=np.int64),
            )
            splits[name] = Split(names, targets, names).take(np.flatnonzero(self.inspections[name].reason == ""))
        if lost := {*chain.from_iterable(self.listed.targets.values())} - {*splits["train"].targets.tolist()}:
            raise ValueError(
                f"root={self.root}: no training image of {some(self.class_names[i] for i in sorted(lost))} can be "
                "read; repair one, or remove the class"
            )
        return splits

    @cached_property
    def _row(self) -> dict[str, tuple[int, int, str]]:
        rows = {}
        for name in SPLITS:
            found = self.inspections[name]
            columns = (found.height.tolist(), found.width.tolist(), found.digest.tolist())
            rows.update(zip(self.listed.files[name], zip(*columns, strict=True), strict=True))
        return rows

    def sizes(self, split: Split) -> np.ndarray:
        """Heights and widths of a split's images, upright, pixels: (n, 2)."""
        return np.array([self._row[name][:2] for name in split.inputs.tolist()], dtype=np.int64)

    def digests(self, split: Split) -> np.ndarray:
        """A hash of the content of each of a split's images: (n,) text."""
        return np.array([self._row[name][2] for name in split.inputs.tolist()])

    def facts(self) -> dict[str, Any]:
        """Lists with their hashes; how many images are unreadable, and how many of val and test are in train."""
        skipped = {name: int((found.reason != "").sum()) for name, found in self.inspections.items()}
        return {**self.listed.facts, "skipped_images": skipped, "learnt_images": self.learnt()}

    def left_out(self) -> list[str]:
        """What in the folder is not used, what cannot be read, and which classes a split lacks."""
        skipped = sum(int((found.reason != "").sum()) for found in self.inspections.values())
        skips = skipped and self.on_bad_image == "skip"
        unread = [f"{skipped:,} images cannot be read (data.on_bad_image=skip)"] if skips else []
        return [*self.listed.left_out, *unread, *lacking_classes(self.class_names, self.readable_targets())]

    def readable_targets(self) -> dict[str, np.ndarray]:
        """The class indices of the images that can be read: split -> (n,)."""
        return {
            name: np.array(self.listed.targets[name], dtype=np.int64)[found.reason == ""]
            for name, found in self.inspections.items()
        }

    def learnt(self) -> dict[str, int]:
        """Count the readable images of val and test whose content is that of a training image, under whatever name."""
        readable = {name: found.digest[found.reason == ""].tolist() for name, found in self.inspections.items()}
        seen = set(readable["train"])
        return {name: sum(digest in seen for digest in readable[name]) for name in ("val", "test")}


def check_classes(root: str, files: Mapping[str, Sequence[str]], depth: int) -> None:
    """Require two classes or more to learn from, and none that is only to validate or test on.

    Args:
        root: the data set's folder, as the user has given it.
        files: split -> names.
        depth: folders above the class folders in a name.

    Raises:
        ValueError: there is one class, or another split has a class of its own.
    """
    learnt = {class_of(name, depth) for name in files["train"]}
    for split in ("val", "test"):
        if strange := {class_of(name, depth) for name in files[split]} - learnt:
            raise ValueError(
                f"root: the {split} split has {len(strange)} classes that the training split lacks, for instance "
                f"{min(strange)}"
            )
    if len(learnt) == 1:
        inner = {name.split("/")[depth + 1] for name in files["train"] if name.count("/") > depth + 1}
        hint = f"; it holds the folders {some(sorted(inner))}: are these the classes?" if len(inner) > 1 else ""
        raise ValueError(
            f"root={root} has one class, {min(learnt)}; two folders or more, one a class, are needed{hint}"
        )


def label(files: Mapping[str, Sequence[str]], classes: Sequence[str], depth: int) -> dict[str, list[int]]:
    """Give each file the index of its class folder, below `depth` other folders, among the classes."""
    index = {name: i for i, name in enumerate(classes)}
    return {split: [index[class_of(name, depth)] for name in names] for split, names in files.items()}
