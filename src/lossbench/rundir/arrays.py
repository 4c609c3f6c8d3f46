"""How the arrays of a run directory (predictions.npz) are read: plain, and no larger than their file."""

import struct
import zlib
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import IO
from zipfile import ZIP_STORED, BadZipFile, ZipFile

import numpy as np
from numpy.lib import format as npy

from lossbench.rundir.reading import DamagedError, open_file, why

# What numpy and zipfile raise for damaged bytes.
DAMAGED = (
    OSError, ValueError, LookupError, TypeError, AttributeError, BadZipFile, EOFError, RuntimeError, MemoryError,
    OverflowError, SyntaxError, zlib.error, struct.error, NotImplementedError,
)  # fmt: skip
PREFIX = b"\x93NUMPY\x01\x00"  # of the arrays that numpy.savez writes: version 1.0
SUFFIX = ".npy"


class StoredArrays(Mapping[str, np.ndarray]):
    """The arrays of an open .npz file, each read when it is first asked for.

    numpy's own reader parses the header of every array as Python source, which takes longer than all the rest; the
    headers of the runs of a study are the same few.

    Args:
        file: zip file whose entries are not compressed.

    Raises:
        ValueError: an entry is compressed.
    """

    def __init__(self, file: ZipFile) -> None:
        if any(entry.compress_type != ZIP_STORED for entry in file.infolist()):
            raise ValueError("its arrays are compressed, which those of a run never are")
        self._file = file
        self._entries = {entry.filename.removesuffix(SUFFIX): entry for entry in file.infolist()}
        self._read: dict[str, np.ndarray] = {}

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self._read:
            entry = self._entries[name]
            with self._file.open(entry) as content:
                self._read[name] = _read_array(content, entry.file_size)
        return self._read[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


@contextmanager
def open_arrays(path: Path, way_out: str) -> Generator[StoredArrays]:
    """Open a .npz file; what its reader finds wrong with the arrays inside the block is named with the file too.

    Raises:
        DamagedError: the file is missing, damaged, compressed, or holds other objects than arrays.
    """
    try:
        with open_file(path) as file, ZipFile(file) as zipped:
            yield StoredArrays(zipped)
    except DAMAGED as error:
        raise DamagedError(path, f"cannot be read ({why(error)})", way_out) from error


def _read_array(file: IO[bytes], size: int) -> np.ndarray:
    """Read a .npy file of so many bytes.

    Raises:
        ValueError: it is damaged, or holds objects.
    """
    prefix, length = file.read(len(PREFIX)), file.read(2)
    if prefix != PREFIX or len(length) < 2:
        raise ValueError("an array in it does not begin as numpy writes it")
    header = file.read(int.from_bytes(length, "little"))
    shape, is_fortran, dtype = _parsed(length + header)
    if dtype.hasobject:
        raise ValueError("it holds objects, not only numbers and texts; loading them could execute code")
    start = len(PREFIX) + len(length) + len(header)
    if start + dtype.itemsize * np.prod(shape, dtype=object) != size:
        raise ValueError(f"an array in it has the shape {shape}, which does not fit its size")
    return np.ndarray(shape, dtype, buffer=bytearray(file.read()), order="F" if is_fortran else "C")


@lru_cache(maxsize=1000)
def _parsed(header: bytes) -> tuple[tuple[int, ...], bool, np.dtype]:
    """The shape of an array, whether it is in Fortran's order, and its type, from the header that numpy wrote."""
    return npy.read_array_header_1_0(BytesIO(header))


def require_stages(arrays: Mapping[str, np.ndarray], *stages: str) -> None:
    """Require outputs, targets and ids of these splits, one of each for every example.

    Raises:
        ValueError: names what is missing, or the shapes that do not fit.
    """
    for stage in stages:
        outputs, targets, ids = (arrays[f"{stage}_{what}"] for what in ("outputs", "targets", "ids"))
        shapes = f"outputs {outputs.shape}, targets {targets.shape}, ids {ids.shape}"
        if outputs.ndim < 2 or 0 in outputs.shape[1:] or not outputs.shape[:1] == targets.shape[:1] == ids.shape:
            raise ValueError(f"its {stage} arrays do not fit: {shapes}")
