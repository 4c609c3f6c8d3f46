"""Class embeddings for the cosine losses: a file with one unit row for each class. Torch-free."""

import zipfile
from collections.abc import Mapping
from hashlib import file_digest
from pathlib import Path
from typing import Any

import numpy as np

from lossbench.config.values import path_text
from lossbench.errors import UserError, one_line

LARGEST = 2**31  # bytes
LENGTH_ERROR = 1e-3  # float16 rows of length 1 are within it
LOSSES = ("Cosine", "CosineXent")


def embeddings_of(config: Mapping[str, Any], num_classes: int | None = None) -> dict[str, str] | None:
    """Find the class embeddings of a configuration: the file, and the hash of its content; None for one-hot.

    Args:
        config: with `embeddings` as the user gives it (a path or null) or as this function has given it before.
        num_classes: C; None takes any number of rows.

    Raises:
        UserError: the loss takes none, or the file is missing or has not one unit row for each class.
    """
    given = config.get("embeddings")
    if given is None:
        return None
    path = given["path"] if isinstance(given, Mapping) else given
    try:
        path_text("embeddings", path, "a .npy or .npz file, or null for one-hot")
    except ValueError as error:
        raise UserError(str(error)) from error
    loss = config["loss"]
    if str(loss["_target_"]).rpartition(".")[2] not in LOSSES or config.get("head") is not None:
        raise UserError(
            f"embeddings belong to loss=cosine and loss=cosine_xent without a head, got loss={loss['name']}; use "
            "embeddings=null"
        )
    file = Path(path).expanduser().absolute()
    read_embeddings(file, num_classes)
    with file.open("rb") as stream:
        return {"path": str(file), "sha256": file_digest(stream, "sha256").hexdigest()}


def read_embeddings(path: Path, num_classes: int | None = None) -> np.ndarray:
    """Read class embeddings: (C, D) float32 with rows of length 1.

    Args:
        path: a .npy file, or a .npz file with one array; nothing in it is executed.
        num_classes: C; None takes any.

    Raises:
        UserError: names the file and what is wrong with it.
    """
    try:
        rows = _array(path)
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise UserError(
            f"embeddings={path} cannot be read: {one_line(error)}; give a .npy file, or a .npz file with one array"
        ) from error
    if rows.ndim != 2 or rows.dtype.kind != "f" or not rows.size:
        raise UserError(
            f"embeddings={path} must hold a matrix (C, D) of floating-point numbers, got {rows.dtype} of shape "
            f"{rows.shape}"
        )
    if num_classes is not None and len(rows) != num_classes:
        raise UserError(
            f"embeddings={path} has {len(rows)} rows, and the data have {num_classes} classes; give one row for each "
            "class"
        )
    lengths = np.linalg.norm(rows.astype(np.float64), axis=1)
    wrong = np.flatnonzero(~(np.abs(lengths - 1) <= LENGTH_ERROR))
    if wrong.size:
        row = wrong[0]
        raise UserError(
            f"embeddings={path} must have rows of length 1, and row {row} has length {lengths[row]:.6g}; divide each "
            "by its length"
        )
    return (rows / lengths[:, None]).astype(np.float32)


def _array(path: Path) -> np.ndarray:
    if not path.is_file():
        raise ValueError("there is no such file")
    if path.suffix not in (".npy", ".npz"):
        raise ValueError(f"it ends in {path.suffix!r}")
    if path.suffix == ".npy":
        _require_small(path.stat().st_size)
        return np.load(path, allow_pickle=False)
    with zipfile.ZipFile(path) as archive:
        _require_small(sum(entry.file_size for entry in archive.infolist()))
    with np.load(path, allow_pickle=False) as arrays:
        if len(arrays.files) != 1:
            raise ValueError(f"it holds {len(arrays.files)} arrays")
        return arrays[arrays.files[0]]


def _require_small(size: int) -> None:
    if size > LARGEST:
        raise ValueError(f"it holds {size:,} bytes, more than {LARGEST:,}")
