"""Images that a table names: a file and a label in each row."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lossbench.data.grouped import spared
from lossbench.data.image_tables.columns import AUTO, Columns, find_columns
from lossbench.data.image_tables.labels import holds_several
from lossbench.data.image_tables.rows import Rows, read_rows
from lossbench.data.image_tables.settings import LABELS, TableSettings
from lossbench.data.images.listing import Listing
from lossbench.data.images.source import LEARN, POOL
from lossbench.data.parts import Parts
from lossbench.data.split import SPLITS, Split, rarest_labels
from lossbench.data.tables.reading import read_table, require_column

if TYPE_CHECKING:
    from hashlib import _Hash

    import polars


@dataclass(frozen=True, kw_only=True)
class ImageTable(TableSettings):
    """Images that a table names, with a class or any number of labels; see `TableSettings`.

    Parts that the table does not name are held out of train. Replicates test on folds of all images; a test part that
    the table names is every replicate's.

    Raises:
        ValueError: a setting is out of range, or the table lacks what it names.
    """

    @property
    def title(self) -> str:
        """The table's name."""
        return Path(self.path).name

    @property
    def task(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride] - the table decides it here
        """multi_label where any number of labels holds for an image."""
        several = self._whole._has_several if self.labels == AUTO else LABELS[self.labels]
        return "multi_label" if several else "classification"

    def settled(self) -> Mapping[str, Any]:
        """The settings that were found in the table."""
        columns, whole = self._whole._columns, self._whole
        return {
            "image": columns.image,
            "target": columns.targets[0] if isinstance(self.target, str) else list(columns.targets),
            "split": columns.split or self.split,
            "labels": "several" if whole._has_several else "one",
        }

    def listing(self) -> Listing:
        """The splits that the table names, and what is held out of train."""
        rows = self._whole._rows
        parts = self._parts(rows, np.arange(len(rows.names))).split
        return self._listing(rows, {name: rows.names[positions] for name, positions in parts.items()})

    def pool_listing(self) -> Listing:
        """All images, the test part that the table names apart."""
        rows = self._whole._rows
        tested = rows.parts == "test"
        files = {POOL: rows.names} if self.folds else {LEARN: rows.names[~tested], "test": rows.names[tested]}
        return self._listing(rows, files)

    @property
    def folds(self) -> int | None:
        """1 / test_fraction; None where the table names a test part."""
        rows = self._whole._rows
        return Parts(rows.labels, {name: np.arange(0) for name in rows.parts}, test_fraction=self.test_fraction).folds

    def facts(self) -> dict[str, Any]:
        """Beside those of all data sets of files: how many groups there are, where splits keep them whole."""
        groups = self._whole._rows.groups
        return {**super().facts(), **({} if groups is None else {"groups": len(np.unique(groups))})}

    def left_out(self) -> list[str]:
        """As of all data sets of files, and how many images are in no split of a replicate."""
        if self.replicate is None:
            return super().left_out()
        return [*super().left_out(), *spared(self._whole._readable_pool, self.readable_splits(), self.unit)]

    def draw(self, replicate: int) -> Mapping[str, np.ndarray]:
        """Draw the splits of a replicate; no group is in two of them.

        Raises:
            ValueError: a class has no image to learn from.
        """
        whole = self._whole
        pool = whole._readable_pool
        drawn = self._parts(whole._rows, whole._rows.of(pool.ids.tolist())).draw(replicate)
        self._require_learnt(pool.take(drawn["train"]), whole._files_of_pool.listing)
        return drawn

    def add_to(self, digest: "_Hash", name: str, split: Split) -> None:
        """Add some images to a hash, and what the table calls their classes: predictions name them."""
        digest.update(f"{self._whole._rows.classes}".encode("utf-8", "surrogateescape"))
        super().add_to(digest, name, split)

    @cached_property
    def _frame(self) -> "polars.DataFrame":
        return _table(self.path, *_version(self.path))

    @cached_property
    def _columns(self) -> Columns:
        named = {key: getattr(self, key) for key in ("group", "weight", "test_target")}
        taken = {key: name for key, name in named.items() if name is not None}
        for key, name in taken.items():
            require_column(self._frame, name, key)
        return find_columns(self._frame, self.image, self.targets, self.split, taken.values())

    @cached_property
    def _has_several(self) -> bool:
        columns = [self._frame[name] for name in self._columns.targets]
        return not isinstance(self.target, str) or holds_several(columns, self.separator)

    @cached_property
    def _rows(self) -> Rows:
        return read_rows(self, self._frame, self._columns, several=self._has_several)

    def _parts(self, rows: Rows, chosen: np.ndarray) -> Parts:
        """The parts of some rows, by their places among the chosen ones."""
        labels, parts = rows.labels[chosen], rows.parts[chosen]
        return Parts(
            rarest_labels(labels) if labels.ndim > 1 else labels,
            {name: np.flatnonzero(parts == name) for name in SPLITS if name in parts},
            self.val_fraction,
            self.test_fraction,
            self.split_seed,
            None if rows.groups is None else rows.groups[chosen],
        )

    def _listing(self, rows: Rows, files: Mapping[str, np.ndarray]) -> Listing:
        names = {part: sorted(found.tolist()) for part, found in files.items()}
        targets = {part: rows.labels[rows.of(found)] for part, found in names.items()}
        given = rows.weights
        weights = {} if given is None else {part: given[rows.of(found)] for part, found in names.items()}
        return Listing(rows.classes, names, targets, {}, rows.left_out, rows.decided, weights)


def _version(path: str) -> tuple[int, int]:
    """Size and time of change of a file; zeros of none, which is said when it is read."""
    try:
        found = os.stat(os.path.expanduser(path))
    except (OSError, ValueError):
        return 0, 0
    return found.st_size, found.st_mtime_ns


@lru_cache(maxsize=2)
def _table(path: str, size: int, mtime_ns: int) -> "polars.DataFrame":
    """Read a table once for all configurations of a sweep."""
    return read_table(path)
