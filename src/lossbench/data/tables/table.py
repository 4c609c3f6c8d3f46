"""Your own table: a row is an example, one column its class, the others numbers and categories. Torch-free."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from lossbench.config.values import names, path_text
from lossbench.data.changes.settings import Changes
from lossbench.data.parted import Examples, PartedSource
from lossbench.data.source import Source, replicated
from lossbench.data.split import Split
from lossbench.data.tables.encoding import encode, encoded_names, fit
from lossbench.data.tables.rows import Roles, Rows, read_rows
from lossbench.errors import some

SINGLE = ("target", "id", "split", "group", "weight")
LISTS = ("drop", "keep", "categorical")
"""Settings that name a column, and several."""


@dataclass(frozen=True, kw_only=True)
class Table(PartedSource):
    """Rows of a CSV, Parquet or JSON Lines file; the encoding of the columns is fitted on the training rows alone.

    Args:
        path: the file.
        target: the column of the classes; None takes the only one that is called target, label, class or y.
        id: the column that says what each row is called; None counts them from 1.
        split: the column that says train, val or test; None takes one that is called split and says so.
        group: the column of what must not cross the splits, such as the patient.
        weight: the column of how much each row counts in the training loss.
        drop: columns that are not learned from.
        keep: columns that are learned from though they look like identifiers.
        categorical: columns of numbers that are categories.
    """

    path: str
    target: str | int | None = None
    id: str | int | None = None
    split: str | int | None = None
    group: str | int | None = None
    weight: str | int | None = None
    drop: Sequence[str | int] = ()
    keep: Sequence[str | int] = ()
    categorical: Sequence[str | int] = ()

    own_inputs: ClassVar[bool] = True
    like: ClassVar["Table | None"] = None
    """The data set whose classes and encoding these rows take, in place of their own."""

    def __post_init__(self) -> None:
        path_text("path", self.path, "a .csv, .tsv, .parquet or .jsonl file")
        for name in LISTS:
            names(name, getattr(self, name), "columns")
        super().__post_init__()

    @property
    def title(self) -> str:
        """The name of the file."""
        return Path(self.path).name

    @cached_property
    def _rows(self) -> Rows:
        named: dict[str, Any] = {name: _text(getattr(self, name)) for name in SINGLE}
        named |= {name: [str(each) for each in getattr(self, name)] for name in LISTS}
        return read_rows(self.path, Roles(**named), self.like.rows.kinds if self.like else None)

    @property
    def rows(self) -> Rows:
        """What the file holds, read once."""
        return self._whole._rows

    def read(self) -> Examples:
        """Give the rows by their positions; their numbers depend on which of them are trained on."""
        rows = self.rows
        targets, classes = rows.labels.targets, rows.labels.class_names
        if (like := self._whole.like) is not None:
            targets, classes = rows.labels_as(like.class_names), like.class_names
        whole = Split(np.arange(len(targets)), targets, rows.ids, rows.weights)
        return Examples(whole, rows.given, classes, groups=rows.groups, notes=rows.notes, unused=rows.unused)

    @cached_property
    def _fits(self) -> dict[tuple[int | None, Changes], list[dict[str, Any]]]:
        return {}

    @property
    def columns(self) -> list[dict[str, Any]]:
        """The encoding of the columns, fitted on the training rows of this split alone, in plain values (`fit`)."""
        if (like := self._whole.like) is not None:
            return like.columns
        fits, key = self._whole._fits, (self.replicate, self.changes)
        if key not in fits:
            fits[key] = fit(self.rows.features[self.changed["train"].inputs], self.rows.kinds)
        if not fits[key]:
            raise ValueError(f"path={self.path} has no column to learn from: the training rows hold one value in each")
        return fits[key]

    @property
    def drawn(self) -> Mapping[str, np.ndarray]:
        """The positions of train, val and test among all rows."""
        return self.parts.split if self.replicate is None else self.draw(self.replicate)

    @property
    def input_shape(self) -> tuple[int, ...]:  # pyright: ignore[reportIncompatibleVariableOverride] - the rows decide it
        """How many numbers a row becomes: it differs between replicates whose training rows hold other categories."""
        return (len(encoded_names(self.columns)),)

    @cached_property
    def unchanged(self) -> Mapping[str, Split]:
        """The rows of train, val and test by their positions."""
        return {name: self.pool().take(positions) for name, positions in self.drawn.items()}

    def load(self) -> Mapping[str, Split]:
        """Give the rows of train, val and test, encoded; what is missing is held out of train."""
        return self._whole.splits

    def encoded(self, split: Split) -> Split:
        """Give rows, whose inputs are positions, as numbers."""
        return replace(split, inputs=encode(self.columns, self.rows.features[split.inputs]))

    def fitted_like(self, other: Source) -> Self:
        """Give the same rows with the classes and the encoding of another table, on which a model was trained."""
        if not isinstance(other, Table):
            return self
        copied = replace(self)
        vars(copied).update(like=other, changes=self.changes)  # the class is frozen
        return copied if self.replicate is None else replicated(copied, self.replicate)

    @cached_property
    def _fingerprint_of_splits(self) -> str:
        return self._hashed(self.parts.split)

    @cached_property
    def _fingerprint_of_pool(self) -> str:
        return self._hashed(self.draw(0))

    def _hashed(self, drawn: Mapping[str, np.ndarray]) -> str:
        """Hash the file's content as it was read, and which rows are in which split."""
        digest = sha256()
        self.rows.add_to(digest)
        for name, positions in drawn.items():
            digest.update(f"{name}{positions.shape}".encode() + positions.astype("<i8").tobytes())
        return digest.hexdigest()[:16]

    def digests(self, split: Split) -> np.ndarray:
        """A hash of the cells of each row, its class among them: (n,) text."""
        return self.rows.hashes[[self.rows.place[name] for name in split.ids.tolist()]]

    def facts(self) -> dict[str, Any]:
        """How many rows of val and test are equal to a training row, and the encoding of the columns."""
        return {**super().facts(), "columns": self.columns}

    def left_out(self) -> list[str]:
        """Columns that are not learned from, and classes that a split lacks."""
        used = {column["name"] for column in self.columns}
        constant = [name for name in self.rows.kinds if name not in used]
        found = (
            [f"not learned from, because nothing in it differs between training rows: {some(constant)}"]
            if constant
            else []
        )
        return [*super().left_out(), *found]


def _text(name: str | int | None) -> str | None:
    """The name of a column: 2019 on the command line is a number."""
    return None if name is None else str(name)
