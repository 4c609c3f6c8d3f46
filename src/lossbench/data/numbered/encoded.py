"""Images that are numbered and encoded as files are: each is decoded once, and that is remembered. Torch-free."""

import logging
from abc import abstractmethod
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path

import numpy as np

from lossbench.config.values import choice
from lossbench.data.images.decode import describe, read_rgb
from lossbench.data.images.inspection import FORMAT, Inspection, cannot_cache
from lossbench.data.numbered.indexed import IndexedImages, Pictures
from lossbench.errors import UserError, one_line
from lossbench.hardware import cores
from lossbench.meter import Meter
from lossbench.rundir.files import write_atomic

CHUNK = 64
COLUMNS = ("digest", "height", "width", "reason", "note")


@dataclass(frozen=True, kw_only=True)
class EncodedImages(IndexedImages):
    """Images by number whose bytes are those of an image file.

    Args:
        on_bad_image: "error" refuses to train on data with unreadable images, "skip" leaves them out and counts them.
    """

    on_bad_image: str = "error"

    def __post_init__(self) -> None:
        choice("on_bad_image", self.on_bad_image, ("error", "skip"))
        super().__post_init__()

    @abstractmethod
    def content(self, index: int) -> bytes:
        """Give the bytes of an image; b"" where there are none."""

    @abstractmethod
    def state(self) -> tuple[int, str]:
        """How many images there are, and a text that changes when one of them does."""

    @cached_property
    def _inspection(self) -> Inspection:
        n, state = self.state()
        key = sha256(f"{FORMAT}\0{state}".encode("utf-8", "surrogateescape")).hexdigest()[:24]
        memo = self.cache / "inspected" / f"{key}.npz"
        found = _recall(memo)
        if found is None or len(found) != n:
            found = _inspected(self, n)
            _remember(memo, found)
        return found

    @property
    def inspection(self) -> Inspection:
        """What is in the images, a row for each."""
        return self._whole._inspection

    def open_pictures(self) -> Pictures:
        """Give the images by their numbers, decoded when they are asked for."""
        return _Decoded(self._whole)

    def describe(self) -> tuple[np.ndarray, np.ndarray]:
        """The size of each image, and the hash of its bytes."""
        found = self.inspection
        return np.stack([found.height, found.width], 1).astype(np.int64), found.digest

    def readable(self, names: np.ndarray) -> tuple[np.ndarray, list[str]]:
        """Give the numbers of the images that can be read, and how many cannot.

        Args:
            names: of all images, for the message.

        Raises:
            ValueError: an image cannot be read and on_bad_image is error.
        """
        bad = np.flatnonzero(self.inspection.reason != "")
        if len(bad) and self.on_bad_image == "error":
            first = int(bad[0])
            raise ValueError(
                f"{self.place}: {len(bad):,} of {len(names):,} images cannot be read, the first is {names[first]} "
                f"({self.inspection.reason[first]}); leave them out with data.on_bad_image=skip"
            )
        unread = [f"{len(bad):,} images cannot be read (data.on_bad_image=skip)"] if len(bad) else []
        return np.flatnonzero(self.inspection.reason == ""), unread


class _Decoded(Pictures):
    """Images decoded by Pillow when they are asked for."""

    def __init__(self, source: EncodedImages) -> None:
        self.source = source

    def __len__(self) -> int:
        return self.source.state()[0]

    def __getitem__(self, index: int) -> np.ndarray:
        return read_rgb(self.source.content(index))


def _inspected(source: EncodedImages, n: int) -> Inspection:
    """Hash and decode all images, in threads."""
    rows: list[tuple[str, int, int, str, str]] = []
    pool = ThreadPoolExecutor(cores())
    with Meter("checking images", n) as meter:
        try:
            chunks = [range(start, min(start + CHUNK, n)) for start in range(0, n, CHUNK)]
            for chunk in pool.map(lambda indices: [_row(source, index) for index in indices], chunks):
                rows += chunk
                meter.add(len(chunk))
        finally:
            pool.shutdown(cancel_futures=True)  # Ctrl-C: leave the rest out
    return _columns(rows)


def _row(source: EncodedImages, index: int) -> tuple[str, int, int, str, str]:
    try:
        content = source.content(index)
    except OSError as error:
        return "", 0, 0, f"cannot be read: {error.strerror or error}", ""
    if not content:
        return "", 0, 0, "is empty", ""
    digest = sha256(content).hexdigest()[:32]
    try:
        image = describe(content, str(index))
    except ValueError as error:
        return digest, 0, 0, str(error).replace("\0", ""), ""
    return digest, image.height, image.width, "", image.note


def _columns(rows: Iterable[tuple[str, int, int, str, str]]) -> Inspection:
    digest, height, width, reason, note = zip(*rows, strict=True)
    texts = [np.array(column, dtype=str) for column in (digest, reason, note)]
    return Inspection(texts[0], np.array(height, np.int32), np.array(width, np.int32), *texts[1:])


def _recall(memo: Path) -> Inspection | None:
    """Read what is remembered; a damaged file is deleted with a warning."""
    if not memo.exists():
        return None
    try:
        with np.load(memo, allow_pickle=False) as kept:
            return Inspection(*(kept[name] for name in COLUMNS))
    except Exception as error:  # damaged bytes raise errors of numpy, zipfile, zlib and struct
        logging.getLogger(__name__).warning(
            "%s is damaged (%s): it is thrown away, the images are read again", memo, one_line(error)
        )
        with suppress(OSError):
            memo.unlink()
        return None


def _remember(memo: Path, found: Inspection) -> None:
    columns = {name: getattr(found, name) for name in COLUMNS}
    try:
        memo.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(memo, lambda file: np.savez(file, allow_pickle=False, **columns))
    except (OSError, UserError) as error:
        raise cannot_cache(memo, error.__cause__ or error) from error
