"""Where pixels come from: files and generated images, read upright in RGB, and resized."""

import logging
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Protocol, cast

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from lossbench.data.images.decode import read_rgb
from lossbench.data.images.image_source import ImageSource
from lossbench.data.images.source import FileSource
from lossbench.data.numbered.encoded import EncodedImages
from lossbench.data.numbered.indexed import IndexedImages
from lossbench.data.source import Split
from lossbench.errors import one_line

log = logging.getLogger(__name__)


class Reader(Protocol):
    """The images of a split by position."""

    sizes: np.ndarray
    """Heights and widths, pixels, (n, 2)."""

    def read(self, position: int) -> Tensor:
        """Give an image as uint8 (3, height, width)."""
        ...


class FileReader:
    """Images in files.

    Args:
        folder: the files are below it.
        names: one for each position.
        sizes: heights and widths, upright, pixels, (n, 2).
    """

    def __init__(self, folder: Path, names: np.ndarray, sizes: np.ndarray) -> None:
        self.folder, self.names, self.sizes = folder, names, sizes

    def read(self, position: int) -> Tensor:
        """Decode an image: uint8 (3, height, width)."""
        path = self.folder / str(self.names[position])
        try:
            image = decode(path.read_bytes())
        except (OSError, ValueError) as error:
            raise ValueError(
                f"{path} can no longer be read ({error}); it was readable when the run was planned"
            ) from error
        if image.shape[1:] != tuple(self.sizes[position]):
            raise ValueError(f"{path} has changed while the run was going on; restore it or start the run again")
        return image


class GeneratedReader:
    """Images that are made when they are read.

    Args:
        make: position -> uint8 (height, width, 3).
        sizes: heights and widths, pixels, (n, 2).
    """

    def __init__(self, make: Callable[[int], np.ndarray], sizes: np.ndarray) -> None:
        self.make, self.sizes = make, sizes

    def read(self, position: int) -> Tensor:
        """Make an image: uint8 (3, height, width)."""
        return torch.from_numpy(self.make(position)).permute(2, 0, 1)


class EncodedReader:
    """Images of a data set that holds the bytes of image files.

    Args:
        source: the data set.
        numbers: of the images, one for each position.
        sizes: heights and widths, upright, pixels, (n, 2).
    """

    def __init__(self, source: EncodedImages, numbers: np.ndarray, sizes: np.ndarray) -> None:
        self.source, self.numbers, self.sizes = source, numbers, sizes

    def read(self, position: int) -> Tensor:
        """Decode an image: uint8 (3, height, width)."""
        number = int(self.numbers[position])
        try:
            image = decode(self.source.content(number))
        except (OSError, ValueError) as error:
            raise ValueError(f"image {number} of {self.source.place} can no longer be read ({error})") from error
        if image.shape[1:] != tuple(self.sizes[position]):
            raise ValueError(f"image {number} of {self.source.place} has changed while the run was going on")
        return image


def reader_of(source: ImageSource, split: Split) -> Reader:
    """Give the images of a split of a data set."""
    if isinstance(source, FileSource):
        return FileReader(source.folder, split.inputs, source.sizes(split))
    if isinstance(source, EncodedImages):
        return EncodedReader(source, split.inputs, source.sizes(split))
    if isinstance(source, IndexedImages):
        return GeneratedReader(_Numbered(source, split), source.sizes(split))
    return GeneratedReader(_Maker(source, split), source.sizes(split))


class _Numbered:
    """The images of a split by position; a class, so that it travels to worker processes."""

    def __init__(self, source: IndexedImages, split: Split) -> None:
        self.images, self.numbers = source.opened, split.inputs

    def __call__(self, position: int) -> np.ndarray:
        return self.images[int(self.numbers[position])]


class _Maker:
    """A source's `make` for the positions of a split; a class, so that it travels to worker processes."""

    def __init__(self, source: ImageSource, split: Split) -> None:
        self.source, self.split = source, split

    def __call__(self, position: int) -> np.ndarray:
        make = cast("Callable[[int, int], np.ndarray]", self.source.make)  # pyright: ignore[reportAttributeAccessIssue] - what has no files makes images
        return make(int(self.split.inputs[position]), int(self.split.targets[position]))


def decode(content: bytes) -> Tensor:
    """Decode an image file: uint8 (3, height, width), upright, RGB.

    Plain JPEG goes through torchcodec, which takes two thirds of Pillow's time for the same pixels; everything odd
    goes through Pillow.

    Raises:
        ValueError: it cannot be read.
    """
    if is_plain_jpeg(content) and (fast := fast_decoder()):
        try:
            return fast(content)
        except RuntimeError:  # a JPEG that its libjpeg refuses: Pillow reads it or gives the reason
            pass
    return torch.from_numpy(read_rgb(content)).permute(2, 0, 1)


@cache
def fast_decoder() -> Callable[[bytes], Tensor] | None:
    """Find torchcodec's JPEG decoder; None, with a line in the log, where it does not fit this torch."""
    try:
        from torchcodec.decoders import decode_jpeg  # pyright: ignore[reportPrivateImportUsage] - documented there
    except (ImportError, OSError, RuntimeError) as error:
        log.warning(
            "torchcodec cannot be imported (%s): JPEG files are read by Pillow, which is slower", one_line(error)
        )
        return None
    return cast("Callable[[bytes], Tensor]", decode_jpeg)


def is_plain_jpeg(content: bytes) -> bool:
    """Whether a file is a JPEG with one or three components whose orientation torchcodec reads; nothing is decoded.

    torchcodec looks at the first APP1 segment alone, which may hold XMP; Pillow finds EXIF behind it, and the
    orientation in XMP too.
    """
    if content[:2] != b"\xff\xd8":
        return False
    at, first = 2, True
    while at + 9 < len(content) and content[at] == 0xFF:
        marker, length = content[at + 1], int.from_bytes(content[at + 2 : at + 4], "big")
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return content[at + 9] in (1, 3)
        if marker == 0xE1:
            segment = content[at + 4 : at + 2 + length]
            if b"Orientation" in segment or (first != segment.startswith(b"Exif\0")):
                return False
            first = False
        at += 2 + length
    return False


def resize(image: Tensor, height: int, width: int, interpolation: str = "bilinear") -> Tensor:
    """Resize uint8 (3, h, w) to (3, height, width): bilinear or bicubic, antialiased."""
    if image.shape[1:] == (height, width):
        return image
    # So that torch sees channels last, and is three times faster.
    batch = image.permute(1, 2, 0)[None].permute(0, 3, 1, 2)
    return F.interpolate(batch, (height, width), mode=interpolation, antialias=True)[0]


def shrunk(sizes: np.ndarray, shorter: int) -> np.ndarray:
    """Sizes after bringing the shorter side to `shorter` pixels and keeping the shape: (n, 2) to (n, 2)."""
    least = sizes.min(1, keepdims=True)
    return np.where(sizes == least, shorter, sizes * shorter // least)
