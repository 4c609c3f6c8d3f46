"""Features of images on disk, found by the hash of an image's content: blocks that are added whole, never changed."""

import logging
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self
from uuid import uuid4

import numpy as np

from lossbench.data.images.inspection import cannot_cache
from lossbench.errors import UserError, one_line
from lossbench.rundir.files import write_atomic

log = logging.getLogger(__name__)

BLOCK = 4096
"""Images in a block."""
SECONDS = 15.0
"""After which a smaller block is written, so that an interruption loses no more."""


class FeatureStore:
    """The features that one frozen network gives for images, or for crops of them, each image's once.

    Args:
        folder: the blocks are in it.
        dtype: of the features: float32, float16, or uint16 for the bits of bfloat16.
    """

    def __init__(self, folder: Path, dtype: str = "float32") -> None:
        self.folder, self.dtype = folder, np.dtype(dtype)

    def read(self, digests: np.ndarray, into: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Read the features of images.

        Args:
            digests: a hash of the content of each, (n,) text.
            into: takes the features, (n, D); None makes an array.

        Returns:
            (n, D), and the positions of those that are not there, (m,); D is 0 where nothing is there.
        """
        order = np.argsort(digests, kind="stable")
        ranked, found = digests[order], np.zeros(len(digests), dtype=bool)
        features = np.zeros((len(digests), 0), dtype=self.dtype) if into is None else into
        for path in sorted(self.folder.glob("*.npz")):
            for kept, rows in self._block(path, ranked):
                wanted, which = _matches(ranked, kept)
                at = order[wanted]
                if features.shape[1] == 0:
                    features = np.zeros((len(digests), rows.shape[1]), dtype=self.dtype)
                features[at] = rows[which]
                found[at] = True
        return features, np.flatnonzero(~found)

    def _block(self, path: Path, wanted: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Give a block that holds a wanted image; nothing where it cannot be read or is damaged, which is said."""
        with ExitStack() as opened:
            try:
                file = opened.enter_context(open(path, "rb"))
            except FileNotFoundError:  # another process has found it damaged
                return
            except OSError as error:  # it may be good: another user's, or a disk that is away for a moment
                log.warning("%s cannot be read (%s): its features are computed again", path, one_line(error))
                return
            try:
                block = _features_in(file, wanted, self.dtype)
            except Exception as error:  # a damaged archive raises some ten kinds
                log.warning("%s is damaged (%s): its features are computed again", path, one_line(error))
                with suppress(OSError):  # in a cache that cannot be written it stays, and is passed over
                    path.unlink()
                return
        if block is not None:
            yield block

    def add(self, digests: np.ndarray, features: np.ndarray) -> None:
        """Add a block.

        Raises:
            UserError: it cannot be written.
        """
        path = self.folder / f"{uuid4().hex}.npz"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_atomic(path, lambda file: np.savez(file, allow_pickle=False, digests=digests, features=features))
        except (OSError, UserError) as error:
            raise cannot_cache(path, error.__cause__ or error) from error


class BlockWriter:
    """Collect features and add them to a store block by block.

    Args:
        store: gets the blocks.
    """

    def __init__(self, store: FeatureStore) -> None:
        self.store = store
        self._parts: list[tuple[np.ndarray, np.ndarray]] = []
        self._since = time.monotonic()

    def add(self, digests: np.ndarray, features: np.ndarray) -> None:
        """Collect the features of some images."""
        self._parts.append((digests, features))
        if sum(len(part) for part, _ in self._parts) >= BLOCK or time.monotonic() - self._since > SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write what has been collected."""
        if self._parts:
            digests, features = (np.concatenate(column) for column in zip(*self._parts, strict=True))
            self.store.add(digests, features)
        self._parts, self._since = [], time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.flush()


def _features_in(file: BinaryIO, wanted: np.ndarray, dtype: np.dtype) -> tuple[np.ndarray, np.ndarray] | None:
    """Read the digests and features of a block; None where no image of it is wanted: a store has many data sets'."""
    with np.load(file, allow_pickle=False) as block:
        digests = block["digests"]
        if not np.isin(digests, wanted).any():
            return None
        features = block["features"]
    if features.ndim != 2 or features.dtype != dtype or digests.shape != features.shape[:1]:
        raise ValueError(f"features {features.dtype} {features.shape} of {digests.shape} images")
    return digests, features


def _matches(ranked: np.ndarray, digests: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find digests in a sorted list that may have repeats: places in the list, and for each the position in digests."""
    first, last = (np.searchsorted(ranked, digests, side) for side in ("left", "right"))
    ranges = [np.arange(start, end) for start, end in zip(first.tolist(), last.tolist(), strict=True)]
    return np.concatenate(ranges or [np.arange(0)]), np.repeat(np.arange(len(digests)), last - first)
