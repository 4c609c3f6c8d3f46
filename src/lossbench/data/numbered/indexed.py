"""Images that are numbered: in arrays, or in the data sets of another library. Torch-free."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Protocol

import numpy as np

from lossbench.data.images.image_source import ImageSource
from lossbench.data.parted import PartedSource
from lossbench.data.split import Split

SMALLEST, LARGEST = 8, 224
"""Pixels: smaller and larger images are brought to these sizes unless another one is asked for."""


class Pictures(Protocol):
    """Images by number."""

    def __len__(self) -> int:
        """How many there are."""
        ...

    def __getitem__(self, index: int) -> np.ndarray:
        """Give an image: uint8 (height, width, 3)."""
        ...


@dataclass(frozen=True, kw_only=True)
class IndexedImages(PartedSource, ImageSource):  # pyright: ignore[reportIncompatibleVariableOverride] - as in PartedSource
    """Images by number, in memory or read one by one; a split's inputs are their numbers.

    Args:
        image_size: side of the square that the model sees, pixels; None is the shorter side of the first image, from
            8 to 224.
    """

    image_size: int | None = None  # pyright: ignore[reportIncompatibleVariableOverride] - a number once it is built
    learnt_key: ClassVar[str] = "learnt_images"

    def __post_init__(self) -> None:
        PartedSource.__post_init__(self)
        if self.image_size is None:
            side = max(SMALLEST, min(LARGEST, *self.first_size()))
            object.__setattr__(self, "image_size", side)
            if self.resize is None and side < LARGEST:
                object.__setattr__(self, "resize", side)
        ImageSource.__post_init__(self)

    @abstractmethod
    def first_size(self) -> tuple[int, int]:
        """Height and width of the first image, pixels, read without reading all."""

    @abstractmethod
    def open_pictures(self) -> Pictures:
        """Give all images by their numbers, which are the inputs of the examples."""

    @abstractmethod
    def describe(self) -> tuple[np.ndarray, np.ndarray]:
        """Give the heights and widths of all images, pixels, (n, 2), and a hash of the content of each, (n,) text."""

    def settled(self) -> Mapping[str, Any]:
        """The size of images, where the data decide it."""
        return {"image_size": self.image_size, "resize": self.resize}

    @cached_property
    def _pictures(self) -> Pictures:
        return self.open_pictures()

    @cached_property
    def _described(self) -> tuple[np.ndarray, np.ndarray]:
        return self.describe()

    @property
    def opened(self) -> Pictures:
        """All images, opened once."""
        return self._whole._pictures

    def sizes(self, split: Split) -> np.ndarray:
        """Heights and widths of a split's images, pixels: (n, 2)."""
        return self._whole._described[0][split.inputs]

    def digests(self, split: Split) -> np.ndarray:
        """A hash of the content of each of a split's images: (n,) text."""
        return self._whole._described[1][split.inputs]

    def pictures(self, ids: Sequence[str]) -> list[np.ndarray]:
        """Give images by the ids of their examples: uint8 (height, width, 3)."""
        whole = self.examples.whole
        place = dict(zip(whole.ids.tolist(), whole.inputs.tolist(), strict=True))
        if unknown := [name for name in ids if name not in place]:
            raise ValueError(f"the data set has no example {unknown[0]}")
        return [self.opened[place[name]] for name in ids]
