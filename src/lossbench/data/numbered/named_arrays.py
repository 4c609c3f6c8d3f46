"""Arrays of a data set by what they are for, checked against each other. Torch-free."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from lossbench.data.labels import ReadLabels, labels_of
from lossbench.data.numbered.array_file import ArrayFile
from lossbench.data.numbered.array_names import WHOLE, Layout, layout_of
from lossbench.data.parted import Examples, positions_of
from lossbench.data.split import Split
from lossbench.errors import some


class NamedArrays:
    """The arrays of a file, or folder, by what they are for; each is read when it is asked for.

    Args:
        path: a .npz file, or a folder of .npy files.
        given: x and y -> the name that the user says, or None.
    """

    def __init__(self, path: Path, given: Mapping[str, str | None]) -> None:
        self.path, self.given = path, given

    @cached_property
    def file(self) -> ArrayFile:
        """The file, found."""
        return ArrayFile(self.path)

    @cached_property
    def layout(self) -> Layout:
        """Which array is what.

        Raises:
            ValueError: inputs or labels are missing, or several arrays may be the same thing.
        """
        names = self.file.names
        try:
            return layout_of(names, self.given)
        except ValueError as error:
            raise ValueError(f"path={self.path}: {error}") from error

    def inputs(self, part: str) -> tuple[str, tuple[int, ...], np.dtype]:
        """Give the name, the shape and the type of a part's inputs, without reading them."""
        name = self.layout.parts[part]["x"]
        return name, *self.file.header(name)

    @property
    def first(self) -> str:
        """The part to learn from."""
        return next(iter(self.layout.parts))

    @cached_property
    def lengths(self) -> Mapping[str, int]:
        """How many examples each part has.

        Raises:
            ValueError: an array has no rows, or another number of them than the inputs beside it.
        """
        found = {}
        for part, roles in self.layout.parts.items():
            rows = {name: (self.file.header(name)[0] or (0,))[0] for name in roles.values()}
            found[part] = rows[roles["x"]]
            for name, n in rows.items():
                if n != found[part] or not n:
                    raise ValueError(
                        f"path={self.path}: {name} has {n:,} rows, and {roles['x']} has {found[part]:,}; give one row "
                        "for each example"
                    )
        return found

    @cached_property
    def labels(self) -> ReadLabels:
        """The labels of all examples, part after part."""
        _ = self.lengths
        names = [roles["y"] for roles in self.layout.parts.values()]
        arrays = [_column(self.file.read(name)) for name in names]
        if len({(array.ndim, *array.shape[1:], array.dtype.kind) for array in arrays}) > 1:
            kinds = ", ".join(f"{name} {array.dtype} {array.shape}" for name, array in zip(names, arrays, strict=True))
            raise ValueError(f"path={self.path}: labels of all parts must be of one kind, got {kinds}")
        return labels_of(np.concatenate(arrays), self._class_names(), some(names))

    def _class_names(self) -> list[str] | None:
        if (name := self.layout.class_names) is None:
            return None
        names = self.file.read(name)
        if names.ndim != 1 or names.dtype.kind not in "US" or len({*names.tolist()}) < len(names):
            raise ValueError(f"path={self.path}: {name} must hold different names of classes as text, (C,)")
        return (np.char.decode(names, "utf-8") if names.dtype.kind == "S" else names).tolist()

    def examples(self, inputs: np.ndarray, notes: Sequence[str]) -> Examples:
        """Put the examples together, part after part.

        Args:
            inputs: of all examples, (n, ...).
            notes: what was decided about them.
        """
        given = {part or "train": positions for part, positions in positions_of(self.lengths).items()}
        ids = np.concatenate([self._ids(part, n) for part, n in self.lengths.items()])
        labels, unused = self.labels, self.layout.unused
        return Examples(
            Split(inputs, labels.targets, ids, self._weights()),
            given,
            labels.class_names,
            self._column("groups"),
            [*notes, *([labels.note] if labels.note else [])],
            [f"arrays that are not used: {some(unused)}"] if unused else [],
        )

    def _column(self, role: str) -> np.ndarray | None:
        """What belongs to the examples of all parts, (n,); None where no part has it."""
        names = [roles.get(role) for roles in self.layout.parts.values()]
        found = [_column(self.file.read(name)) for name in names if name is not None]
        if not found:
            return None
        if len(found) < len(names):
            raise ValueError(
                f"path={self.path}: {some(filter(None, names))} is there, and the other parts have no {role}"
            )
        if wrong := [name for name, array in zip(names, found, strict=True) if array.ndim != 1]:
            raise ValueError(f"path={self.path}: {wrong[0]} must have one value for each example, (n,)")
        return np.concatenate(found)

    def _weights(self) -> np.ndarray | None:
        """How much each example counts in training; 1 in parts without weights."""
        if not any("weights" in roles for roles in self.layout.parts.values()):
            return None
        found = []
        for part, roles in self.layout.parts.items():
            name = roles.get("weights")
            found.append(np.ones(self.lengths[part]) if name is None else _column(self.file.read(name)))
            if found[-1].dtype.kind not in "biuf" or not (np.isfinite(found[-1]) & (found[-1] > 0)).all():
                raise ValueError(f"path={self.path}: {name} must hold finite numbers > 0, one for each example")
        return np.concatenate(found).astype(np.float32)

    def _ids(self, part: str, n: int) -> np.ndarray:
        """The ids of a part's examples: those that the file gives, or the part and the number of each."""
        if (name := self.layout.parts[part].get("ids")) is not None:
            return _column(self.file.read(name)).astype(str)
        return np.array([str(i) if part == WHOLE else f"{part}-{i}" for i in range(n)])


def _column(array: np.ndarray) -> np.ndarray:
    """Labels or ids of shape (n, 1) as (n,)."""
    return array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array
