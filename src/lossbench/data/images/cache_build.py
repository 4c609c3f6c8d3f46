"""Decode images into a cache on disk: written beside, renamed when it is whole."""

import os
import shutil
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import numpy as np
import torch

from lossbench.data.images.cache_files import VERSION, offsets_of
from lossbench.data.images.reader import Reader, resize, shrunk
from lossbench.data.images.room import room_for
from lossbench.errors import UserError
from lossbench.hardware import cores
from lossbench.meter import Meter
from lossbench.rundir.files import write_json

SPARE = 64 * 2**20
"""Bytes that must stay free on the disk beside the cache."""


def build_cache(
    images: Reader,
    first: np.ndarray,
    digests: np.ndarray,
    shorter: int,
    path: Path,
    interpolation: str = "bilinear",
) -> None:
    """Decode images into a new cache.

    Args:
        images: where pixels come from.
        first: the position of each row's image in it, (m,).
        digests: of each row's image, (m,) text.
        shorter: pixels of the shorter side in the cache.
        path: the cache's folder; what lies there is removed.
        interpolation: how images are resized.

    Raises:
        UserError: the disk has too little room.
        OSError: the folder cannot be written.
    """
    sizes = shrunk(images.sizes[first], shorter)
    offsets = offsets_of(sizes)
    # What is left is damaged, or of a builder that was killed: this process alone builds.
    for left in (path, *path.parent.glob(f".{path.name}.*.tmp")):
        shutil.rmtree(left, ignore_errors=True)
    _require_room(path.parent, int(offsets[-1]))
    beside = path.with_name(f".{path.name}.{uuid4().hex[:8]}.tmp")
    beside.mkdir()
    try:
        sums = _decode_all(images, first, sizes, beside / "pixels.bin", interpolation)
        with open(beside / "index.npz", "wb") as file:
            np.savez(file, allow_pickle=False, sizes=sizes, sums=sums, digests=digests)
        stat = (beside / "pixels.bin").stat()
        write_json(
            beside / "manifest.json",
            {"version": VERSION, "images": len(sizes), "seen": [stat.st_mtime_ns, stat.st_ino]},
        )
        os.rename(beside, path)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _decode_all(images: Reader, first: np.ndarray, sizes: np.ndarray, path: Path, interpolation: str) -> np.ndarray:
    """Write all pixels, in threads (decoding releases Python's lock), and return the checksum of each row."""
    offsets = offsets_of(sizes)
    with open(path, "wb") as file:
        # A disk or quota that is too small is an error here; later it would kill this process.
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, int(offsets[-1]))
        else:
            file.truncate(int(offsets[-1]))
    pixels = np.memmap(path, dtype=np.uint8, mode="r+")

    def one(row: int) -> int:
        at = int(first[row])
        with room_for(int(images.sizes[at].prod())):
            resized = resize(images.read(at), *sizes[row].tolist(), interpolation=interpolation)
            image = resized.permute(1, 2, 0).contiguous().numpy().reshape(-1)
        pixels[offsets[row] : offsets[row + 1]] = image
        return zlib.crc32(image.data)

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(cores()) as pool, Meter("decoding images", len(sizes)) as meter:
            rows = np.argsort(first).tolist()  # files in the order of the data set
            sums = np.zeros(len(sizes), dtype=np.uint32)
            for row, crc in zip(rows, pool.map(one, rows, chunksize=16), strict=True):
                sums[row] = crc
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
