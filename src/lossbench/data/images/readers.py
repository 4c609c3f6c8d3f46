"""Where the pixels of a data module's splits come from: files, a cache on disk, or device memory."""

from collections.abc import Callable
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from lossbench.data.images.cache import CachedReader, cached
from lossbench.data.images.cache_files import ImageCache
from lossbench.data.images.device import DevicePixels, DeviceReader
from lossbench.data.images.image_source import ImageSource
from lossbench.data.images.reader import Reader, reader_of
from lossbench.data.source import SPLITS, Split


class Readers:
    """Read the images of splits; a cache holds each image once, however many splits and replicates have it.

    Args:
        source: the data set.
        mode: "none" reads files, "disk" a cache, "gpu" holds those that the splits have on the device too.
        split_of: gives the examples of a stage.
        whole: gives the images that the cache is to hold.
        stages: those of which images are held on the device together.
    """

    def __init__(
        self,
        source: ImageSource,
        mode: str,
        split_of: Callable[[str], Split],
        whole: Callable[[], Split],
        stages: tuple[str, ...] = SPLITS,
    ) -> None:
        self.source, self.mode, self.split_of, self.whole, self.stages = source, mode, split_of, whole, stages
        self._readers: dict[str, Reader] = {}
        self._pixels: dict[tuple[tuple[str, ...], torch.device], DevicePixels] = {}
        self._on_device: dict[tuple[str, torch.device], DeviceReader] = {}

    @property
    def fill(self) -> np.ndarray:
        """The colour that replaces what is erased, uint8 (3,)."""
        return np.rint(np.array(self.source.mean) * 255).astype(np.uint8)

    @cached_property
    def decoded(self) -> ImageCache:
        """The decoded images, from the disk; built where they are not there."""
        source, whole = self.source, self.whole()
        reader, digests, folder = reader_of(source, whole), source.digests(whole), source.cache / "images"
        return cached(reader, digests, source.shorter_side, folder, source.interpolation)

    def __call__(self, stage: str) -> Reader:
        """Give the images of a stage."""
        if stage not in self._readers:
            split = self.split_of(stage)
            in_files = self.mode == "none"
            self._readers[stage] = reader_of(self.source, split) if in_files else self._cached(split)
        return self._readers[stage]

    def cropped(self, position: Tensor, views: Tensor, stage: str) -> Tensor:
        """Crop a stage's images in the memory of the device that the views are on (see `DeviceReader`)."""
        key = (stage, views.device)
        if key not in self._on_device:
            rows = self._cached(self.split_of(stage)).rows
            pixels, fill = self._held_on(views.device, stage), torch.from_numpy(self.fill)
            self._on_device[key] = DeviceReader(pixels, rows, self.source.image_size, fill)
        return self._on_device[key](position, views)

    def _cached(self, split: Split) -> CachedReader:
        return CachedReader(self.decoded, self.source.digests(split))

    def _held_on(self, device: torch.device, stage: str) -> DevicePixels:
        """The images of all splits, or of a stage that is none of them, on a device: each once."""
        stages = self.stages if stage in self.stages else (stage,)
        if (stages, device) not in self._pixels:
            rows = [self._cached(self.split_of(name)).rows for name in stages]
            self._pixels[stages, device] = DevicePixels(self.decoded, np.unique(np.concatenate(rows)), device)
        return self._pixels[stages, device]


class ChosenReader:
    """Some images of another reader.

    Args:
        reader: of the images.
        chosen: their positions in it, (n,).
    """

    def __init__(self, reader: Reader, chosen: np.ndarray) -> None:
        self.reader, self.chosen = reader, chosen
        self.sizes = reader.sizes[chosen]

    def read(self, position: int) -> Tensor:
        """Give an image as uint8 (3, height, width)."""
        return self.reader.read(int(self.chosen[position]))
