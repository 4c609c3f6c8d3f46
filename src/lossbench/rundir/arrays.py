"""How the arrays of a run directory (predictions.npz) are read: plain, and no larger than their file."""

import struct
import zlib
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from zipfile import ZIP_STORED, BadZipFile

import numpy as np

from lossbench.rundir.reading import DamagedError, open_file, why

# What numpy and zipfile raise for damaged bytes.
DAMAGED = (
    OSError, ValueError, LookupError, TypeError, AttributeError, BadZipFile, EOFError, RuntimeError, MemoryError,
    OverflowError, SyntaxError, zlib.error, struct.error, NotImplementedError,
)  # fmt: skip


@contextmanager
def open_arrays(path: Path, way_out: str) -> Generator[Mapping[str, np.ndarray]]:
    """Open a .npz file; what its reader finds wrong with the arrays inside the block is named with the file too.

    Raises:
        DamagedError: the file is missing, damaged, compressed, or holds other objects than arrays.
    """
    try:
        with open_file(path) as file, np.load(file, allow_pickle=False) as arrays:
            if any(entry.compress_type != ZIP_STORED for entry in arrays.zip.infolist()):
                raise ValueError("its arrays are compressed, which those of a run never are")
            yield arrays
    except DAMAGED as error:
        raise DamagedError(path, f"cannot be read ({why(error)})", way_out) from error


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
