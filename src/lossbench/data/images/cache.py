"""Decoded images on disk: read, decoded and resized once, then memory-mapped by every process.

A cache is a folder named by the set of images in it (their content, the size, the version of this code), so it cannot
be stale, and however often a data set is split anew, its images are decoded once. It is written beside and renamed when
it is whole.
"""

from hashlib import sha256
from pathlib import Path

import numpy as np
from torch import Tensor

from lossbench.data.images.build_lock import build_lock
from lossbench.data.images.cache_build import build_cache
from lossbench.data.images.cache_files import VERSION, ImageCache, is_whole
from lossbench.data.images.reader import Reader
from lossbench.errors import UserError


class CachedReader:
    """Images of a cache by position: those of a split.

    Args:
        cache: the decoded images.
        digests: a hash of the content of each image, (n,) text; the cache holds all of them.
    """

    def __init__(self, cache: ImageCache, digests: np.ndarray) -> None:
        self.cache, self.rows = cache, cache.rows_of(digests)
        self.sizes: np.ndarray = cache.sizes[self.rows]

    def read(self, position: int) -> Tensor:
        """Give an image: uint8 (3, height, width), mapped; writes to it stay private."""
        return self.cache.read(int(self.rows[position]))


def cached(
    images: Reader, digests: np.ndarray, shorter: int, folder: Path, interpolation: str = "bilinear"
) -> ImageCache:
    """Give the decoded images of a data set, building the cache where there is none or a damaged one.

    Args:
        images: the images.
        digests: a hash of the content of each, (n,) text; of equal ones the first is decoded.
        shorter: pixels of the shorter side in the cache.
        folder: the caches are in it.
        interpolation: how images are resized.

    Raises:
        UserError: the disk has too little room, or the folder cannot be written.
    """
    rows, first = np.unique(digests, return_index=True)
    kind = f"{VERSION} {shorter}" + ("" if interpolation == "bilinear" else f" {interpolation}")
    key = sha256("\n".join((kind, *rows.tolist())).encode()).hexdigest()[:24]
    path = folder / key
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not is_whole(path):
            with build_lock(folder / f"{key}.lock", path):
                if not is_whole(path):
                    build_cache(images, first, rows, shorter, path, interpolation)
    except OSError as error:
        raise UserError(
            f"cannot write {path} ({error.strerror or error}); choose another place with data.cache_dir or "
            "LOSSBENCH_CACHE"
        ) from error
    return ImageCache(path)
