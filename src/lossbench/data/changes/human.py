"""Labels of a file in place of a data set's own, such as those that people gave. Torch-free."""

import os
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING

import numpy as np

from lossbench.data.changes.noise_settings import NoiseSettings
from lossbench.data.split import Split
from lossbench.data.tables.columns import ids_of
from lossbench.data.tables.reading import read_table, require_column
from lossbench.errors import some, suggest

if TYPE_CHECKING:
    import polars


def labels_in(settings: NoiseSettings, split: Split, name: str, class_names: tuple[str, ...]) -> np.ndarray:
    """Read the labels of a split's examples from the file.

    Args:
        settings: the file and its columns.
        split: whose ids the file has.
        name: of the split, for messages.
        class_names: of the C classes.

    Returns:
        Class indices, (n,).

    Raises:
        ValueError: the file cannot be read, lacks an example, or a label is the name of no class.
    """
    known, place = _labels(settings), {label: k for k, label in enumerate(class_names)}
    if missing := [each for each in split.ids.tolist() if each not in known]:
        example = next(iter(known))
        instead = "" if name == "train" else ", or keep its labels with data.noise_validation=false"
        raise ValueError(
            f"noise_file={settings.noise_file} has no label for {len(missing):,} of {len(split):,} {name} examples, "
            f"such as {missing[0]!r}; its ids are like {example!r}: choose their column with "
            f"data.noise_id=COLUMN{instead}"
        )
    labels = [known[each] for each in split.ids.tolist()]
    if unknown := {*labels} - {*class_names}:
        shown = some(sorted(unknown))
        raise ValueError(
            f"noise_file={settings.noise_file} has labels that are no class of the data: {shown}; "
            f"{suggest(min(unknown), class_names)}"
        )
    return np.array([place[label] for label in labels], dtype=np.int64)


def digest(settings: NoiseSettings) -> str:
    """Hash the ids and labels that a file gives: 64 hexadecimal digits of SHA-256."""
    return sha256(repr(sorted(_labels(settings).items())).encode("utf-8", "surrogateescape")).hexdigest()


def _labels(settings: NoiseSettings) -> dict[str, str]:
    path = settings.noise_file or ""
    try:
        found = os.stat(os.path.expanduser(path))
        version = (found.st_size, found.st_mtime_ns)
    except OSError:  # said when it is read
        version = (0, 0)
    return _read(path, settings.noise_column, settings.noise_id, version)


@lru_cache(maxsize=4)
def _read(path: str, column: str | None, id_column: str | None, version: tuple[int, int]) -> dict[str, str]:
    """Read the label of each id that has one, once for all configurations of a sweep."""
    frame = read_table(path, "noise_file")
    id_name = frame.columns[0] if id_column is None else str(id_column)
    require_column(frame, id_name, "noise_id")
    name = _column_of_labels(frame, id_name) if column is None else str(column)
    require_column(frame, name, "noise_column")
    ids, labels = ids_of(frame, id_name, "noise_id"), frame[name].to_list()
    found = {each: str(label) for each, label in zip(ids.tolist(), labels, strict=True) if label is not None}
    if not found:
        raise ValueError(f"noise_column={name} is empty in all rows of noise_file={path}")
    return found


def _column_of_labels(frame: "polars.DataFrame", id_name: str) -> str:
    others = [name for name in frame.columns if name != id_name]
    if len(others) != 1:
        raise ValueError(f"noise_column must name the column of the labels; {suggest('', others)}")
    return others[0]
