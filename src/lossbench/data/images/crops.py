"""Random crops that are functions of an image's content alone: those of which features are kept."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
from torch import Tensor

from lossbench.data.augment import Augment, uniforms
from lossbench.data.images.reader import Reader
from lossbench.data.images.views import Views


@dataclass(frozen=True)
class Crops:
    """The random crops of each image.

    Args:
        count: V, how many.
        scale: smallest and largest area of a crop, fraction of the image.
        flip: probability of a mirror image.
    """

    count: int
    scale: Sequence[float]
    flip: float


class CropViews(Views):
    """Choose crop v of image k for position k V + v, the same in every data set that has the image.

    Args:
        sizes: heights and widths of the images, pixels, (n, 2).
        side: of the square that the model sees, pixels.
        shorter: the images' shorter side before a centre crop, pixels.
        digests: a hash of the content of each image, (n,) text.
        crops: what is chosen.
    """

    def __init__(self, sizes: np.ndarray, side: int, shorter: int, digests: np.ndarray, crops: Crops) -> None:
        augment = Augment(scale=tuple(crops.scale), flip=crops.flip)
        super().__init__(np.repeat(sizes, crops.count, axis=0), side, shorter, 0, augment)
        self.count = crops.count
        hashes = (sha256(digest.encode()).hexdigest() for digest in digests.tolist())
        self.keys = np.array([int(each[:12], 16) for each in hashes], dtype=np.int64)

    def draws(self, positions: np.ndarray, epoch: int, count: int) -> np.ndarray:
        """Draw numbers that depend on the image's content and the number of its crop."""
        images, crops = np.divmod(positions, self.count)
        found = np.empty((len(positions), count))
        for crop in np.unique(crops).tolist():
            chosen = crops == crop
            found[chosen] = uniforms(0, crop, self.keys[images[chosen]], count)
        return found


class RepeatedReader:
    """The images of another reader, each `times` times side by side; neighbours are read once.

    Args:
        reader: of the images.
        times: how often each has a position.
    """

    def __init__(self, reader: Reader, times: int) -> None:
        self.reader, self.times = reader, times
        self.sizes = np.repeat(reader.sizes, times, axis=0)
        self._last: tuple[int, Tensor] | None = None

    def read(self, position: int) -> Tensor:
        """Give an image as uint8 (3, height, width)."""
        image = position // self.times
        if self._last is None or self._last[0] != image:
            self._last = (image, self.reader.read(image))
        return self._last[1]
