"""Data sets of torchvision: those of classification that it downloads, by name. It is imported to read one."""

import inspect
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from lossbench.config.values import choice, path_text
from lossbench.data.folds import fold_count
from lossbench.data.images.image_source import ImageSource
from lossbench.data.images.listing import Listing
from lossbench.data.images.source import FileSource
from lossbench.data.labels import ReadLabels, labels_of
from lossbench.data.numbered.array_values import NumberedArrays, as_images
from lossbench.data.numbered.indexed import IndexedImages, Pictures
from lossbench.data.numbered.torchvision_sets import OTHERS, SETS, TorchvisionSet, open_parts
from lossbench.data.parted import Examples, held_out, positions_of
from lossbench.data.parts import Parts, check_held_out
from lossbench.data.source import Source
from lossbench.data.split import Split
from lossbench.errors import some, suggest

WHOLE = 128
"""Up to this size, pixels, evaluation sees whole images."""


@dataclass(frozen=True, kw_only=True)
class TorchvisionSource(ImageSource):
    """A data set of torchvision.

    Args:
        dataset: its name there, such as CIFAR10.
        root: the folder that torchvision keeps it in.
        variant: of data sets that come in several, such as letters of EMNIST; None takes the usual one.
        download: fetch the data set through torchvision where it is not there.
        image_size: side of the square that the model sees, pixels; None is that of its images, 224 of photographs.

    Raises:
        ValueError: a setting is out of range, or there is no such data set.
    """

    dataset: str
    root: str
    variant: str | None = None
    download: bool = False
    image_size: int | None = None  # pyright: ignore[reportIncompatibleVariableOverride] - a number once it is built

    def __post_init__(self) -> None:
        if self.dataset not in SETS:
            other = OTHERS.get(str(self.dataset))
            raise ValueError(f"dataset={self.dataset} is not read: {other or suggest(str(self.dataset), SETS)}")
        if self.variant is not None and self.listed_as.variant is None:
            raise ValueError(f"variant={self.variant}: {self.dataset} comes in one variant; leave it out")
        choice("download", self.download, (True, False))
        path_text("root", self.root, "a folder")
        if self.image_size is None:
            object.__setattr__(self, "image_size", self.listed_as.side)
            if self.resize is None and self.listed_as.side <= WHOLE:
                object.__setattr__(self, "resize", self.listed_as.side)
        super().__post_init__()

    def settled(self) -> Mapping[str, Any]:
        """The size of images, where the data set decides it."""
        return {"image_size": self.image_size, "resize": self.resize}

    @property
    def listed_as(self) -> TorchvisionSet:
        """How the data set is read."""
        return SETS[self.dataset]

    @property
    def title(self) -> str:
        """Its name in torchvision."""
        return self.dataset

    @property
    def kept_in(self) -> Path:
        """The root as a path."""
        return Path(os.path.expanduser(self.root)).absolute()

    def open(self) -> Mapping[str, Any]:
        """Give train, and val and test where they are published, as torchvision gives them.

        Raises:
            ValueError: the data set is not there, damaged, or cannot be fetched.
        """
        return open_parts(self.dataset, self.kept_in, variant=self.variant, download=self.download)

    def noted(self) -> list[str]:
        """What a person should know who trains on it."""
        return [] if self.listed_as.mirrored else ["a mirrored image is another sign: augment=none, or augment.flip=0"]


def _labelled(
    parts: Mapping[str, Any], rows: Mapping[str, list[Any]], attribute: str, name: str
) -> tuple[ReadLabels, str]:
    """Give the labels of all parts one after another, and which classes have no examples.

    Args:
        parts: as torchvision gives them.
        rows: part -> labels.
        attribute: which names the classes, where there is one.
        name: of the data set.
    """
    named = getattr(next(iter(parts.values())), attribute, None)
    names = None if named is None else [each if isinstance(each, str) else ", ".join(each) for each in named]
    labels = labels_of(np.concatenate([np.asarray(each) for each in rows.values()]), names, f"labels of {name}")
    used, targets = np.unique(labels.targets, return_inverse=True)
    unused = [each for i, each in enumerate(labels.class_names) if i not in {*used.tolist()}]
    kept = tuple(labels.class_names[i] for i in used.tolist())
    return ReadLabels(targets.astype(np.int64), kept), f"classes without examples: {some(unused)}" if unused else ""


@dataclass(frozen=True, kw_only=True)
class TorchvisionArrays(TorchvisionSource, IndexedImages):  # pyright: ignore[reportIncompatibleVariableOverride] - as in IndexedImages
    """A data set of torchvision that is held in memory."""

    @cached_property
    def _opened(self) -> Mapping[str, Any]:
        return self.open()

    @cached_property
    def _images(self) -> NumberedArrays:
        parts = self._whole._opened
        return NumberedArrays([as_images(self.dataset, np.asarray(part.data)) for part in parts.values()], [])

    def first_size(self) -> tuple[int, int]:
        """The size of its images."""
        return self.listed_as.side, self.listed_as.side

    def read(self) -> Examples:
        """Number the images part by part."""
        parts = self._whole._opened
        rows = {name: [*np.asarray(getattr(part, self.listed_as.labels)).tolist()] for name, part in parts.items()}
        labels, unused = _labelled(parts, rows, self.listed_as.classes, self.dataset)
        ids = [f"{name}-{i}" for name, each in rows.items() for i in range(len(each))]
        return Examples(
            Split(np.arange(len(ids)), labels.targets, np.array(ids)),
            positions_of({name: len(each) for name, each in rows.items()}),
            labels.class_names,
            notes=self.noted(),
            unused=[unused] if unused else [],
        )

    def open_pictures(self) -> Pictures:
        """Give the images by their numbers."""
        return self._whole._images

    def describe(self) -> tuple[np.ndarray, np.ndarray]:
        """All images have one size; each is hashed."""
        return self._whole._images.describe()


@dataclass(frozen=True, kw_only=True)
class TorchvisionFiles(TorchvisionSource, FileSource):  # pyright: ignore[reportIncompatibleVariableOverride] - as in FileSource
    """A data set of torchvision whose images are files.

    Args:
        val_fraction: share of what is not tested that is held out for validation, in (0, 1).
        test_fraction: share held out for testing, in (0, 1); 1 / k for replicates.
        split_seed: draws the parts, >= 0.
    """

    val_fraction: float = 0.2
    test_fraction: float = 0.2
    split_seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_held_out(self.val_fraction, self.test_fraction, self.split_seed)

    @property
    def folds(self) -> int | None:
        """1 / test_fraction; None where a test part is published."""
        return None if "test" in self.listed_as.parts else fold_count("test_fraction", self.test_fraction)

    def listing(self) -> Listing:
        """List the files of each part, those that are missing held out of train."""
        parts = self.open()
        found = {name: self.listed_as.files_of(part, self.kept_in) for name, part in parts.items()}
        rows = {name: [label for _, label in each] for name, each in found.items()}
        labels, unused = _labelled(parts, rows, self.listed_as.classes, self.dataset)
        given = positions_of({name: len(each) for name, each in found.items()})
        split = Parts(labels.targets, given, self.val_fraction, self.test_fraction, self.split_seed).split
        names = np.array([file for each in found.values() for file, _ in each])
        return Listing(
            labels.class_names,
            {name: names[positions].tolist() for name, positions in split.items()},
            {name: labels.targets[positions].tolist() for name, positions in split.items()},
            {},
            [unused] if unused else [],
        )

    def about(self) -> list[str]:
        """What the data are, and which parts are published."""
        held = held_out([*self.listed_as.parts]) if self.replicate is None else []
        return [*super().about(), *held, *self.noted()]


class Torchvision:
    """A data set of torchvision by name: in memory, or in files."""

    __signature__ = inspect.signature(TorchvisionFiles)

    def __new__(cls, on_bad_image: str = "error", **settings: Any) -> Source:  # pyright: ignore[reportInconsistentConstructor] - gives one of two kinds
        """Build the data set of the kind that it is."""
        listed = SETS.get(str(settings.get("dataset")))
        if listed is not None and listed.rows is None:
            return TorchvisionArrays(**settings)
        return TorchvisionFiles(on_bad_image=on_bad_image, **settings)
