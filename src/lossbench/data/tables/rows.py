"""What a table holds once its columns have their roles: features, classes, ids, given parts. Torch-free."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from lossbench.data.labels import ReadLabels, labels_of
from lossbench.data.tables.columns import find_split, find_target, ids_of, parts_of, require_filled, weights_of
from lossbench.data.tables.kinds import Kind, as_kind, features_of, kind_of
from lossbench.data.tables.reading import read_table, require_column
from lossbench.errors import some

if TYPE_CHECKING:
    from hashlib import _Hash

    import polars

SHOWN = 8  # names of columns in a line
MOST_LIKELY = 20
"""So many different values may be classes even where most rows have one of their own."""
WORDS: Mapping[Kind, str] = {
    "number": "of numbers",
    "category": "of categories",
    "time": "of times (as days)",
}


@dataclass(frozen=True)
class Roles:
    """Which columns were named for what: as of `Table`."""

    target: str | None
    id: str | None
    split: str | None
    group: str | None
    weight: str | None
    drop: Sequence[str]
    keep: Sequence[str]
    categorical: Sequence[str]

    @property
    def named(self) -> list[str]:
        """The columns that have a role beside the classes and the parts."""
        return [name for name in (self.id, self.group, self.weight) if name is not None]


@dataclass(frozen=True)
class Rows:
    """What a table holds.

    Args:
        features: the columns that are learned from, numbers as Float64 and categories as text.
        kinds: column -> what it holds.
        labels: the classes.
        ids: what the rows are called, text, (n,).
        given: train, and val and test where the table says so -> positions.
        groups: of what must not cross the splits, text, (n,).
        weights: of the rows in the training loss, float32, (n,).
        notes: what was decided for the user, a line each.
        unused: what of the table is not learned from, a clause each.
    """

    features: "polars.DataFrame"
    kinds: Mapping[str, Kind]
    labels: ReadLabels
    ids: np.ndarray
    given: Mapping[str, np.ndarray]
    groups: np.ndarray | None
    weights: np.ndarray | None
    notes: Sequence[str]
    unused: Sequence[str]

    @cached_property
    def place(self) -> Mapping[str, int]:
        """The position of each row by its id."""
        return {name: k for k, name in enumerate(self.ids.tolist())}

    @cached_property
    def hashes(self) -> np.ndarray:
        """A hash of the cells of each row, its class among them, the same within a process: text, (n,)."""
        import polars

        classes = np.array(self.labels.class_names)[self.labels.targets]
        cells = [*self.features.iter_columns(), polars.Series("".join(self.features.columns) + "y", classes)]
        return polars.DataFrame(cells).hash_rows().to_numpy().astype(str)

    def labels_as(self, classes: Sequence[str]) -> np.ndarray:
        """The class indices of the rows among other classes: int64, (n,).

        Raises:
            ValueError: a row is of none of them.
        """
        if unknown := [name for name in self.labels.class_names if name not in classes]:
            raise ValueError(f"target: {some(map(repr, unknown))} is no class of the model; it knows {some(classes)}")
        of = np.array([list(classes).index(name) for name in self.labels.class_names], dtype=np.int64)
        return of[self.labels.targets]

    def add_to(self, digest: "_Hash") -> None:
        """Add everything that decides numbers to a hash."""
        for column in self.features.iter_columns():
            if self.kinds[column.name] == "category":
                _add(digest, column.name, _joined(column.fill_null("\x1f").to_list()))
            else:
                _add(digest, column.name, column.to_numpy().astype("<f8").tobytes())
        _add(digest, "targets", self.labels.targets.astype("<i8").tobytes())
        _add(digest, "classes", _joined(self.labels.class_names))
        _add(digest, "ids", _joined(self.ids.tolist()))
        if self.weights is not None:
            _add(digest, "weights", self.weights.astype("<f4").tobytes())
        if self.groups is not None:
            _add(digest, "groups", _joined(self.groups.tolist()))


def _joined(texts: Sequence[str]) -> bytes:
    return "\x1e".join(texts).encode()


def _add(digest: "_Hash", name: str, content: bytes) -> None:
    digest.update(f"{name}\x1e{len(content)}\x1e".encode() + content)


def read_rows(path: str, roles: Roles, kinds: Mapping[str, Kind] | None = None) -> Rows:
    """Read a table and give its columns their roles.

    Args:
        path: the file.
        roles: the columns that were named.
        kinds: the columns that a model has learned from -> what they hold; None finds them.

    Raises:
        ValueError: one line that names the setting and what is wrong.
    """
    frame = read_table(path)
    target = find_target(frame, roles.target)
    split = find_split(frame, roles.split, (target, *roles.named))
    _require_roles(frame, roles, {"target": target, "split": split})
    taken = {target, split, *roles.named, *roles.drop}
    unused: list[str] = []
    if kinds is None:
        kinds, unused = _kinds(frame.drop(taken - {None}), roles)
    if not kinds:
        raise ValueError(f"path={path} has no column to learn from{': ' if unused else ''}{'; '.join(unused)}")
    features = [as_kind(_column(frame, name), kind) for name, kind in kinds.items()]
    return Rows(
        frame.select(features),
        kinds,
        labels_of(_labels(frame, target), None, f"target={target}"),
        ids_of(frame, roles.id),
        {"train": np.arange(frame.height)} if split is None else parts_of(frame, split),
        None if roles.group is None else require_filled(frame, roles.group, "group").cast(str).to_numpy().astype(str),
        None if roles.weight is None else weights_of(frame, roles.weight),
        list(_notes(roles, target, split, kinds)),
        unused,
    )


def _column(frame: "polars.DataFrame", name: str) -> "polars.Series":
    require_column(frame, name, "column")
    return frame[name]


def _require_roles(frame: "polars.DataFrame", roles: Roles, found: Mapping[str, str | None]) -> None:
    """Require that the columns exist, and that none has two roles."""
    of = {**found, "id": roles.id, "group": roles.group, "weight": roles.weight}
    role_of: dict[str, str] = {}
    for key, name in of.items():
        if name is None:
            continue
        require_column(frame, name, key)
        if name in role_of:
            raise ValueError(f"{key}={name} and {role_of[name]}={name} name one column; it has one of these roles")
        role_of[name] = key
    for key in ("drop", "keep", "categorical"):
        for name in getattr(roles, key):
            require_column(frame, name, key)
            if key != "drop" and (name in role_of or name in roles.drop):
                raise ValueError(f"{key}: {name} is also named by {role_of.get(name, 'drop')}, and is not learned from")


def _labels(frame: "polars.DataFrame", target: str) -> np.ndarray:
    """The labels as whole numbers or text.

    Raises:
        ValueError: they are no classes.
    """
    column = require_filled(frame, target, "target")
    distinct = column.n_unique()
    if column.dtype.is_float() and (column != column.floor()).any():
        raise ValueError(
            f"target={target} holds {distinct:,} different numbers with fractions, and data=table learns classes; make "
            "a column of ranges, or bring another task as data=custom"
        )
    if column.dtype.is_numeric():
        labels = column.cast(int).to_numpy()
    elif kind_of(column) is None:
        raise ValueError(f"target={target} holds {column.dtype}, and data=table learns one class a row, text or number")
    else:
        labels = column.cast(str).to_numpy().astype(str)
    if 2 * distinct > len(column) and distinct > MOST_LIKELY:
        raise ValueError(
            f"target={target} has {distinct:,} different values in {len(column):,} rows: an identifier or a number, "
            "and no class; name another column"
        )
    return labels


def _kinds(frame: "polars.DataFrame", roles: Roles) -> tuple[dict[str, Kind], list[str]]:
    """The columns that are learned from, and what they hold; in a clause the others with the reason."""
    kinds: dict[str, Kind] = {}
    unused: list[str] = []
    for name, kind, reason in features_of(frame, roles.categorical, roles.keep):
        if reason is None and kind is not None:
            kinds[name] = kind
        else:
            unused.append(f"{name} ({reason})")
    return kinds, [f"not learned from: {some(unused, SHOWN)}"] if unused else []


def _notes(roles: Roles, target: str, split: str | None, kinds: Mapping[str, Kind]) -> Iterator[str]:
    """What was decided for the user, a line each."""
    if roles.target is None:
        yield f"the column {target} holds the classes (data.target)"
    if roles.split is None and split is not None:
        yield f"the column {split} says train, val or test (data.split)"
    counts = Counter(kinds.values())
    each = ", ".join(f"{counts[kind]:,} {words}" for kind, words in WORDS.items() if counts[kind])
    yield f"learned from {len(kinds):,} column{'s' * (len(kinds) != 1)}: {each}"
