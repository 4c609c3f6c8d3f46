"""NumPy arrays in one .npz file or in a folder of .npy files. Torch-free."""

import zipfile
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.lib import format as npy

from lossbench.errors import one_line
from lossbench.rundir.arrays import DAMAGED


class ArrayFile:
    """Arrays by name; nothing in them is executed (pickled objects are refused).

    Args:
        path: a .npz file, or a folder of .npy files, whose arrays stay on the disk until they are used.

    Raises:
        ValueError: there is no such file or folder, or it holds no arrays.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.exists():
            raise ValueError(f"path={path} does not exist; name a .npz file, or a folder of .npy files")
        if not path.is_dir() and path.suffix != ".npz":
            raise ValueError(f"path={path} must be a .npz file (numpy.savez), or a folder of .npy files")
        if not self.names:
            raise ValueError(f"path={path} holds no arrays{' (*.npy)' if path.is_dir() else ''}")

    @cached_property
    def names(self) -> list[str]:
        """The names of all arrays, sorted."""
        if self.path.is_dir():
            return sorted(file.stem for file in self.path.glob("*.npy"))
        try:
            with zipfile.ZipFile(self.path) as archive:
                return sorted(name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy"))
        except DAMAGED as error:
            raise ValueError(f"path={self.path} cannot be read: {one_line(error)}") from error

    def read(self, name: str) -> np.ndarray:
        """Read an array.

        Raises:
            ValueError: it is damaged, or holds Python objects.
        """
        try:
            if self.path.is_dir():
                return np.load(self.path / f"{name}.npy", mmap_mode="r", allow_pickle=False)
            with np.load(self.path, allow_pickle=False) as arrays:
                return arrays[name]
        except DAMAGED as error:
            why = one_line(error)
            if "allow_pickle" in why:
                why = "it holds Python objects, which are not loaded; save text as np.array(values, dtype=str)"
            raise ValueError(f"array {name} of {self.path} cannot be read: {why}") from error

    def header(self, name: str) -> tuple[tuple[int, ...], np.dtype]:
        """Give an array's shape and type without reading it.

        Raises:
            ValueError: it is damaged.
        """
        if self.path.is_dir():
            array = self.read(name)
            return array.shape, array.dtype
        try:
            with zipfile.ZipFile(self.path) as archive, archive.open(f"{name}.npy") as file:
                version = npy.read_magic(file)
                read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
                shape, _, dtype = read(file)
                return shape, dtype
        except DAMAGED as error:
            raise ValueError(f"array {name} of {self.path} cannot be read: {one_line(error)}") from error
