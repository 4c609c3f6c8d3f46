"""Your own arrays: X and y of a .npz file, or of a folder of .npy files. Torch-free."""

import inspect
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from lossbench.config.values import choice, path_text
from lossbench.data.numbered.array_values import KINDS, NumberedArrays, image_size, images_in, kind_of_array, numbers_in
from lossbench.data.numbered.indexed import IndexedImages, Pictures
from lossbench.data.numbered.named_arrays import NamedArrays
from lossbench.data.parted import Examples, PartedSource
from lossbench.data.source import Source
from lossbench.data.split import Split

FAR = 10.0
"""How far from 1 the largest standard deviation of a column may be before it is said."""


@dataclass(frozen=True, kw_only=True)
class ArraySource(PartedSource):
    """Arrays of inputs and labels, found by their names.

    Args:
        path: a .npz file, or a folder of .npy files.
        x: what the inputs are called; None looks for X, images, data and so on.
        y: what the labels are called; None looks for y, labels, targets and so on.
        kind: images or features; None decides by the type of X.
    """

    path: str
    x: str | None = None
    y: str | None = None
    kind: str | None = None

    def __post_init__(self) -> None:
        path_text("path", self.path, "a .npz file, or a folder of .npy files")
        choice("kind", self.kind, (None, *KINDS))
        super().__post_init__()

    @cached_property
    def _arrays(self) -> NamedArrays:
        return NamedArrays(Path(os.path.expanduser(self.path)).absolute(), {"x": self.x, "y": self.y})

    @property
    def arrays(self) -> NamedArrays:
        """The arrays, by what they are for."""
        return self._whole._arrays

    @property
    def title(self) -> str:
        """The name of the file."""
        return self.arrays.path.name

    @property
    def task(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride] - the labels decide it
        """classification, or multi_label where y has several labels an example."""
        return self.arrays.labels.task


@dataclass(frozen=True, kw_only=True)
class ArrayTensors(ArraySource):
    """Features (n, D), or numbers of any shape: what the model sees, as they are."""

    @property
    def input_shape(self) -> tuple[int, ...]:  # pyright: ignore[reportIncompatibleVariableOverride] - the array decides it
        """The shape of a row of X."""
        return self.examples.whole.inputs.shape[1:]

    def settled(self) -> Mapping[str, Any]:
        """That X holds no images."""
        return {"kind": "features"}

    def read(self) -> Examples:
        """Read all arrays into memory."""
        inputs, notes = numbers_in(self.arrays)
        return self.arrays.examples(inputs, notes)

    def about(self) -> list[str]:
        """Beside what is said of any data set: that X is far from the scale on which networks learn."""
        spread = self.splits["train"].inputs.reshape(len(self.splits["train"]), -1).std(axis=0)
        spread = spread[spread > 0]
        if not len(spread) or FAR > spread.max() > 1 / FAR:
            return super().about()
        found = f"{spread.min():.3g} to {spread.max():.3g}"
        advice = "networks learn best near 1: scale X, or write it as a table, which data=table standardises"
        return [*super().about(), f"the columns of X have standard deviations of {found}; {advice}"]

    def digests(self, split: Split) -> np.ndarray:
        """A hash of the numbers of each example: (n,) text."""
        return np.array([sha256(row.tobytes()).hexdigest()[:32] for row in split.inputs])


@dataclass(frozen=True, kw_only=True)
class ArrayImages(ArraySource, IndexedImages):  # pyright: ignore[reportIncompatibleVariableOverride] - as in ArraySource
    """Images (n, h, w), (n, h, w, 3) or (n, 3, h, w): cropped, flipped, normalised as those of files."""

    @cached_property
    def _images(self) -> NumberedArrays:
        return images_in(self.arrays)

    def first_size(self) -> tuple[int, int]:
        """Height and width of all images."""
        return image_size(self.arrays)

    def settled(self) -> Mapping[str, Any]:
        """That X holds images, and their size."""
        return {"kind": "images", **super().settled()}

    def read(self) -> Examples:
        """Number the images; their pixels are read when they are asked for."""
        images = self._whole._images
        return self.arrays.examples(np.arange(len(images)), images.notes)

    def open_pictures(self) -> Pictures:
        """Give the images by their numbers."""
        return self._whole._images

    def describe(self) -> tuple[np.ndarray, np.ndarray]:
        """All images have one size; each is hashed."""
        return self._whole._images.describe()


class Arrays:
    """Arrays of images or of features: X of whole numbers from 0 to 255 (uint8) with two sides or more are images."""

    __signature__ = inspect.signature(ArrayImages)

    def __new__(cls, **settings: Any) -> Source:  # pyright: ignore[reportInconsistentConstructor] - gives one of two kinds
        """Build the data set of the kind that X holds."""
        names = {each.name for each in fields(ArrayTensors)}
        features = ArrayTensors(**{name: value for name, value in settings.items() if name in names})
        if (features.kind or kind_of_array(features.arrays)) == "features":
            return features
        return ArrayImages(**settings)
