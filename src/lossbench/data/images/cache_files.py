"""The files of a cache of decoded images: pixels.bin, mapped into memory; index.npz and manifest.json."""

import json
import logging
import mmap
import sys
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lossbench.errors import UserError
from lossbench.rundir.files import write_json

log = logging.getLogger(__name__)

VERSION = 2
MAP_NORESERVE = 0x4000
"""Linux's; Python's mmap has no name for it."""


class ImageCache:
    """Decoded images, shorter side resized, in one memory-mapped file: a row an image, each content once.

    Args:
        path: the cache's folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with np.load(path / "index.npz", allow_pickle=False) as index:
            self.sizes: np.ndarray = index["sizes"]
            self.digests: np.ndarray = index["digests"]
        self.offsets = offsets_of(self.sizes)
        self._map: mmap.mmap | None = None

    def rows_of(self, digests: np.ndarray) -> np.ndarray:
        """Find the rows of images by the hashes of their content: (n,) text to (n,).

        Raises:
            ValueError: an image is not in the cache.
        """
        rows = np.searchsorted(self.digests, digests)
        if (absent := self.digests[np.minimum(rows, len(self.digests) - 1)] != digests).any():
            raise ValueError(f"{self.path} lacks {absent.sum()} of {len(digests)} images")
        return rows

    def bytes_of(self, rows: np.ndarray) -> int:
        """Count the bytes of the pixels of some rows."""
        return int(self.sizes[rows].prod(1).sum()) * 3

    def read(self, row: int) -> Tensor:
        """Give an image: uint8 (3, height, width), mapped; writes to it stay private."""
        if self._map is None:
            self._map = _map(self.path / "pixels.bin")
        height, width = self.sizes[row].tolist()
        at, length = int(self.offsets[row]), height * width * 3
        _announce(self._map, at, length)
        pixels = np.frombuffer(self._map, np.uint8, length, at).reshape(height, width, 3)
        return torch.from_numpy(pixels).permute(2, 0, 1)

    def chunks(self, rows: np.ndarray, size: int) -> Iterator[np.ndarray]:
        """Read the pixels of rows, in chunks of bytes, uint8 (at most size,).

        Args:
            rows: rising, each once.
            size: of a chunk, bytes.
        """
        with open(self.path / "pixels.bin", "rb") as file:
            for run in np.split(rows, np.flatnonzero(np.diff(rows) != 1) + 1):  # neighbours are read together
                start, end = int(self.offsets[run[0]]), int(self.offsets[run[-1] + 1])
                file.seek(start)
                for at in range(start, end, size):
                    yield np.fromfile(file, np.uint8, min(size, end - at))

    def __getstate__(self) -> dict[str, Any]:
        """Leave the mapping behind: another process maps the file itself."""
        return self.__dict__ | {"_map": None}


def _map(path: Path) -> mmap.mmap:
    """Map a file for reads here and there: the system's reading ahead would fetch megabytes for every image."""
    # Private, so that torch may take it for writable memory; MAP_NORESERVE: no memory is set aside for writes.
    with open(path, "rb") as file:
        if sys.platform == "linux":
            mapped = mmap.mmap(file.fileno(), 0, mmap.MAP_PRIVATE | MAP_NORESERVE, mmap.PROT_READ | mmap.PROT_WRITE)
        else:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    if hasattr(mmap, "MADV_RANDOM"):
        mapped.madvise(mmap.MADV_RANDOM)
    return mapped


def _announce(mapped: mmap.mmap, at: int, length: int) -> None:
    """Have the pages of an image read at once instead of one by one."""
    if hasattr(mmap, "MADV_WILLNEED"):
        first = at - at % mmap.PAGESIZE
        mapped.madvise(mmap.MADV_WILLNEED, first, at + length - first)


def offsets_of(sizes: np.ndarray) -> np.ndarray:
    """First byte of each image, and after the last one the number of all bytes: (n + 1,)."""
    return np.concatenate(([0], np.cumsum(sizes.prod(1) * 3)))


def is_whole(path: Path) -> bool:
    """Whether a cache is complete and undamaged; checksums are computed again where the file has another time."""
    try:
        manifest = json.loads((path / "manifest.json").read_text())
        with open(path / "index.npz", "rb") as file, np.load(file, allow_pickle=False) as index:
            sizes, sums, digests = index["sizes"], index["sums"], index["digests"]
        if not len(sums) == len(digests) == len(sizes):
            raise ValueError(f"{len(sums)} sums and {len(digests)} digests of {len(sizes)} images")
        stat = (path / "pixels.bin").stat()
        seen = manifest["seen"]
    except Exception as error:  # a damaged archive raises some ten kinds
        if path.exists():
            log.warning("%s is damaged (%s) and is built again", path, error)
        return False
    offsets = offsets_of(sizes)
    if stat.st_size != offsets[-1]:
        log.warning("%s is damaged (%d bytes instead of %d) and is built again", path, stat.st_size, offsets[-1])
        return False
    if seen == [stat.st_mtime_ns, stat.st_ino]:
        return True
    pixels = np.memmap(path / "pixels.bin", dtype=np.uint8, mode="r")
    wrong = sum(zlib.crc32(pixels[offsets[i] : offsets[i + 1]].data) != sums[i] for i in range(len(sizes)))
    if wrong:
        log.warning("%s is damaged (%d of %d images) and is built again", path, wrong, len(sizes))
        return False
    with suppress(UserError):  # a cache that cannot be written can still be read; it is summed up again the next time
        write_json(path / "manifest.json", {**manifest, "seen": [stat.st_mtime_ns, stat.st_ino]})
    return True
