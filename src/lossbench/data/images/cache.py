"""Decoded images on disk: read, decoded and resized once, then memory-mapped by every process.

A cache is a folder named by what is in it (the images' content, the size, the version of this code), so it cannot be
stale. It is written beside and renamed when it is whole.
"""

import json
import logging
import mmap
import os
import shutil
import sys
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import torch
from torch import Tensor

from lossbench.data.images.reader import Reader, resize, shrunk
from lossbench.data.images.room import room_for
from lossbench.errors import UserError
from lossbench.hardware import cores
from lossbench.meter import Meter
from lossbench.rundir.files import write_json
from lossbench.rundir.lock import Lock

log = logging.getLogger(__name__)

VERSION = 1
MAP_NORESERVE = 0x4000
"""Linux's; Python's mmap has no name for it."""
SPARE = 64 * 2**20
"""Bytes that must stay free on the disk beside the cache."""


class CachedReader:
    """The images of a split, decoded, shorter side resized, in one memory-mapped file.

    Args:
        path: the cache's folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with np.load(path / "index.npz", allow_pickle=False) as index:
            self.sizes: np.ndarray = index["sizes"]
        self.offsets = offsets_of(self.sizes)
        self._map: mmap.mmap | None = None

    @property
    def bytes(self) -> int:
        """Of all pixels."""
        return int(self.offsets[-1])

    def read(self, position: int) -> Tensor:
        """Give an image: uint8 (3, height, width), mapped; writes to it stay private."""
        if self._map is None:
            self._map = _map(self.path / "pixels.bin")
        height, width = self.sizes[position].tolist()
        at, length = int(self.offsets[position]), height * width * 3
        _announce(self._map, at, length)
        return torch.from_numpy(np.frombuffer(self._map, np.uint8, length, at).reshape(height, width, 3)).permute(
            2, 0, 1
        )

    def chunks(self, size: int) -> Iterator[tuple[int, np.ndarray]]:
        """Read all pixels from the first to the last: where each chunk starts, and its bytes, uint8 (at most size,)."""
        with open(self.path / "pixels.bin", "rb") as file:
            for start in range(0, self.bytes, size):
                yield start, np.fromfile(file, np.uint8, min(size, self.bytes - start))

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


def cached(reader: Reader, digests: np.ndarray, shorter: int, folder: Path, *, name: str) -> CachedReader:
    """Give the decoded images of a split, building the cache where there is none or a damaged one.

    Args:
        reader: the images.
        digests: a hash of the content of each, (n,) text.
        shorter: pixels of the shorter side in the cache.
        folder: the caches are in it.
        name: of the split, as its progress is titled.

    Raises:
        UserError: the disk has too little room, or the folder cannot be written.
    """
    key = sha256("\n".join((f"{VERSION} {shorter}", *digests.tolist())).encode()).hexdigest()[:24]
    path = folder / key
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not is_whole(path):
            with _alone(folder / f"{key}.lock", path):
                if not is_whole(path):
                    _build(reader, shrunk(reader.sizes, shorter), path, name)
    except OSError as error:
        raise UserError(
            f"cannot write {path} ({error.strerror or error}); choose another place with data.cache_dir or "
            "LOSSBENCH_CACHE"
        ) from error
    return CachedReader(path)


def is_whole(path: Path) -> bool:
    """Whether a cache is complete and undamaged; checksums are computed again where the file has another time."""
    try:
        manifest = json.loads((path / "manifest.json").read_text())
        with open(path / "index.npz", "rb") as file, np.load(file, allow_pickle=False) as index:
            sizes, sums = index["sizes"], index["sums"]
        if len(sums) != len(sizes):
            raise ValueError(f"{len(sums)} sums of {len(sizes)} images")
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


@contextmanager
def _alone(lock: Path, path: Path) -> Iterator[None]:
    """Let one process build; the others wait until it has built, or died."""
    with ExitStack() as stack:
        announced = False
        while True:
            try:
                stack.enter_context(Lock(lock))
                break
            except UserError as error:
                if isinstance(error.__cause__, OSError):  # nobody owns it: it cannot be written
                    raise error.__cause__ from None
            if not announced:
                print(f"waiting for another process that builds {path}", file=sys.stderr, flush=True)
                announced = True
            time.sleep(0.5)
        yield


def _build(reader: Reader, sizes: np.ndarray, path: Path, name: str) -> None:
    offsets = offsets_of(sizes)
    # What is left is damaged, or of a builder that was killed: this process alone builds.
    for left in (path, *path.parent.glob(f".{path.name}.*.tmp")):
        shutil.rmtree(left, ignore_errors=True)
    _require_room(path.parent, int(offsets[-1]))
    beside = path.with_name(f".{path.name}.{uuid4().hex[:8]}.tmp")
    beside.mkdir()
    try:
        sums = _decode_all(reader, sizes, offsets, beside / "pixels.bin", name)
        with open(beside / "index.npz", "wb") as file:
            np.savez(file, allow_pickle=False, sizes=sizes, sums=sums)
        stat = (beside / "pixels.bin").stat()
        write_json(
            beside / "manifest.json",
            {"version": VERSION, "images": len(sizes), "seen": [stat.st_mtime_ns, stat.st_ino]},
        )
        os.rename(beside, path)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _decode_all(reader: Reader, sizes: np.ndarray, offsets: np.ndarray, path: Path, name: str) -> np.ndarray:
    """Write all pixels, in threads (decoding releases Python's lock), and return the checksum of each image."""
    with open(path, "wb") as file:
        # A disk or quota that is too small is an error here; later it would kill this process.
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, int(offsets[-1]))
        else:
            file.truncate(int(offsets[-1]))
    pixels = np.memmap(path, dtype=np.uint8, mode="r+")

    def one(i: int) -> int:
        with room_for(int(reader.sizes[i].prod())):
            image = resize(reader.read(i), *sizes[i].tolist()).permute(1, 2, 0).contiguous().numpy().reshape(-1)
        pixels[offsets[i] : offsets[i + 1]] = image
        return zlib.crc32(image.data)

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(cores()) as pool, Meter(f"decoding {name} images", len(sizes)) as meter:
            sums = np.zeros(len(sizes), dtype=np.uint32)
            for i, crc in enumerate(pool.map(one, range(len(sizes)), chunksize=16)):
                sums[i] = crc
                meter.add()
    finally:
        torch.set_num_threads(threads)
    pixels.flush()  # pyright: ignore[reportAttributeAccessIssue] - a memmap
    return sums


def _require_room(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed + SPARE:
        raise UserError(
            f"data.cache needs {needed / 1e9:.2f} GB in {folder}, which has {free / 1e9:.2f} GB free; free some "
            "space, choose another place with data.cache_dir or LOSSBENCH_CACHE, or use data.cache=none"
        )
