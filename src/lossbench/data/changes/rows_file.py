"""Rows of numbers from a file, of which nothing is executed. Torch-free."""

import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from lossbench.errors import one_line

ENDINGS = (".csv", ".npy")


def has_rows(path: str) -> bool:
    """Whether a file of this name can be read."""
    return Path(path).suffix in ENDINGS


def read_rows(setting: str, path: str) -> np.ndarray:
    """Read a .csv file of numbers without a header, or a .npy file.

    Args:
        setting: what names the file, for messages.
        path: of the file; ~ is the home folder.

    Returns:
        float64, two dimensions.

    Raises:
        ValueError: it cannot be read, or holds no rows of numbers.
    """
    file = Path(os.path.expanduser(path))
    try:
        rows: Any = np.load(file, allow_pickle=False) if file.suffix == ".npy" else _read_csv(file)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or one_line(error)
        raise ValueError(f"{setting}={path} cannot be read: {reason}; give rows of numbers") from error
    if getattr(rows, "ndim", 0) != 2 or rows.dtype.kind not in "fiu":  # an .npz file under this name has neither
        raise ValueError(f"{setting}={path} must hold rows of numbers")
    return rows.astype(np.float64)


def _read_csv(file: Path) -> np.ndarray:
    with file.open() as lines:
        return np.loadtxt(lines, delimiter=",", ndmin=2)
