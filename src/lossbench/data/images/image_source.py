"""Image data sets: the size of crops, normalisation, and where caches are kept. Torch-free."""

import os
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lossbench.config.values import choice, integer, number, path_text
from lossbench.data.source import Source, Split

if TYPE_CHECKING:
    from hashlib import _Hash

LARGEST_SIDE, TOO_LARGE = 4096, "one image of that side takes 200 MB of memory"
INTERPOLATIONS = ("bilinear", "bicubic")
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
        interpolation: how images are resized, bilinear or bicubic, both antialiased.
        cache_dir: where file checks, decoded images and features are kept.
    """

    image_size: int = 224
    resize: int | None = None
    mean: Sequence[float] = IMAGENET_MEAN
    std: Sequence[float] = IMAGENET_STD
    interpolation: str = "bilinear"
    cache_dir: str = "~/.cache/lossbench"

    def __post_init__(self) -> None:
        path_text("cache_dir", self.cache_dir, "a folder")
        choice("interpolation", self.interpolation, INTERPOLATIONS)
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
    def sides(self) -> tuple[int, int]:
        """The side of what the model sees, and the images' shorter side before a centre crop, pixels."""
        return self.image_size, self.shorter_side

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
        """Add ids, targets, content and weights of some images to a hash."""
        for row in zip(split.ids.tolist(), split.targets.tolist(), self.digests(split).tolist(), strict=True):
            digest.update(f"{name}\0{row[0]}\0{row[1]}\0{row[2]}\n".encode("utf-8", "surrogateescape"))
        for weights in split.columns_of_weights():
            digest.update(f"{name} weights".encode() + weights.tobytes())
