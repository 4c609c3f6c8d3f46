"""What a table of images says, row by row. Torch-free."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from lossbench.data.image_tables import cells
from lossbench.data.image_tables.columns import AUTO, Columns
from lossbench.data.image_tables.labels import read_labels
from lossbench.data.image_tables.settings import LABELS, TableSettings
from lossbench.data.split import SPLITS
from lossbench.errors import some

if TYPE_CHECKING:
    import polars


@dataclass(frozen=True)
class Rows:
    """What a table says, a row for each file.

    Args:
        names: files below the root, (n,).
        classes: of the labels.
        labels: class indices, int64 (n,), or 0 and 1 for each label, float32 (n, C).
        parts: train, val or test of each, (n,).
        groups: of each, (n,); None without groups.
        weights: of each, float32 (n,); None without weights.
        decided: which columns are used for what, a clause each.
        left_out: what is not used, a clause each.
    """

    names: np.ndarray
    classes: tuple[str, ...]
    labels: np.ndarray
    parts: np.ndarray
    groups: np.ndarray | None
    weights: np.ndarray | None
    decided: Sequence[str]
    left_out: Sequence[str]

    @cached_property
    def place(self) -> Mapping[str, int]:
        """File -> its row here."""
        return {name: row for row, name in enumerate(self.names.tolist())}

    def of(self, names: Sequence[str]) -> np.ndarray:
        """The rows of some files, (m,)."""
        return np.array([self.place[name] for name in names], dtype=np.int64)


def read_rows(settings: TableSettings, frame: "polars.DataFrame", columns: Columns, *, several: bool) -> Rows:
    """Read and check all rows.

    Args:
        settings: what is typed.
        frame: the table.
        columns: which are used.
        several: whether any number of labels holds for an image.

    Raises:
        ValueError: a cell is wrong, with its row.
    """
    _require_as_typed(settings, columns, several)
    names = cells.read_names(frame[columns.image], settings.folder, settings.ending)
    if settings.on_bad_image == "error":
        cells.require_files(names, settings.folder, columns.image)
    parts, how = _parts(settings, frame, columns, names)
    targets = [frame[name] for name in columns.targets]
    if settings.test_target is not None:
        targets = [_with_test_target(settings.test_target, frame, targets, parts)]
    classes, labels = read_labels(targets, settings.separator, several=several)
    groups = None if settings.group is None else cells.read_groups(frame[settings.group])
    weights = None if settings.weight is None else cells.read_weights(frame[settings.weight])
    kept = cells.first_rows(names, labels=labels, splits=parts, groups=groups, weights=weights)
    cells.require_learnt(classes, labels, parts)
    groups, weights = (None if each is None else each[kept] for each in (groups, weights))
    if groups is not None:
        how.append(f"no two splits share one of the {len(np.unique(groups)):,} groups of column {settings.group}")
    if weights is not None:
        how.append(f"column {settings.weight} weighs training images, {weights.min():g} to {weights.max():g}")
    return Rows(
        np.array(names)[kept],
        classes,
        labels[kept],
        parts[kept],
        groups,
        weights,
        [f"column {columns.image} names the images, {_labels(settings, columns, several=several)}", *how],
        list(_left_out(settings, frame, columns, len(names) - len(kept))),
    )


def _labels(settings: TableSettings, columns: Columns, *, several: bool) -> str:
    found = f"{some(columns.targets)} the {'labels' if several else 'class'}"
    return found if settings.test_target is None else f"{found}, of test images {settings.test_target}"


def _require_as_typed(settings: TableSettings, columns: Columns, several: bool) -> None:
    if settings.labels != AUTO and LABELS[settings.labels] != several:
        holds = "several labels" if several else "one class"
        raise ValueError(
            f"labels={settings.labels}, but {some(columns.targets)} holds {holds} in each row; leave data.labels out"
        )


def _with_test_target(
    name: str, frame: "polars.DataFrame", targets: Sequence["polars.Series"], parts: np.ndarray
) -> "polars.Series":
    """The label of each row, of test rows from a column of their own."""
    if "test" not in parts:
        raise ValueError(f"test_target={name} is for the test rows of a table, and its split has none; leave it out")
    if len(targets) > 1 or targets[0].dtype != frame[name].dtype:
        kinds = f"{some(str(column.dtype) for column in targets)} and {frame[name].dtype}"
        raise ValueError(f"test_target={name} must be as one column of data.target, and they hold {kinds}")
    import polars

    return frame[name].zip_with(polars.Series(parts == "test"), targets[0]).alias(targets[0].name)


def _parts(
    settings: TableSettings, frame: "polars.DataFrame", columns: Columns, names: Sequence[str]
) -> tuple[np.ndarray, list[str]]:
    """The part of each row, (n,), and where that is from; train where the table does not say it."""
    if columns.split is not None:
        parts, source = cells.read_parts(frame[columns.split]), f"column {columns.split}"
    else:
        parts, source = cells.parts_by_folder(names) if settings.split == AUTO else None, "first folder of each file"
    if parts is None:
        return np.full(len(names), "train"), []
    if "train" not in parts:
        raise ValueError(f"split: the {source} names no image for training; use data.split=null to draw all splits")
    counts = ", ".join(f"{(parts == name).sum():,} {name}" for name in SPLITS if name in parts)
    drawn = " and ".join(name for name in ("val", "test") if name not in parts)
    return parts, [f"splits are those of the {source}: {counts}{f'; {drawn} held out of train' if drawn else ''}"]


def _left_out(settings: TableSettings, frame: "polars.DataFrame", columns: Columns, repeated: int) -> list[str]:
    """What of the table is not used."""
    used = {columns.image, *columns.targets, columns.split, settings.group, settings.weight, settings.test_target}
    unused = [name for name in frame.columns if name not in used]
    clauses = [
        f"the column{'s' * (len(unused) > 1)} {some(unused)} of the table {'are' if len(unused) > 1 else 'is'} not used"
    ]
    return [
        *(clauses if unused else []),
        *([f"{repeated:,} of {frame.height:,} rows repeat another"] if repeated else []),
    ]
