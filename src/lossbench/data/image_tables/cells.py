"""The rows of a table of images: files, splits, groups and weights, each checked. Torch-free.

Rows are counted from 1, without the header.
"""

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lossbench.data.image_tables.columns import SPLIT_WORDS
from lossbench.data.images.lists import unsafe
from lossbench.data.images.subset import SUFFIXES
from lossbench.errors import some

if TYPE_CHECKING:
    import polars

MOST_FOLDERS = 100  # that are looked into for a missing file


def read_names(column: "polars.Series", folder: Path, ending: str) -> list[str]:
    """Read the names of files below a folder; a path that begins with the folder is made relative to it.

    Args:
        column: a name in each row.
        folder: they lie in it.
        ending: added to each name, such as ".jpg".

    Raises:
        ValueError: a name is missing or leaves the folder, with its row.
    """
    import polars

    names: list[str] = []
    for row, cell in enumerate(column.cast(polars.String).to_list(), 1):
        if not (cell or "").strip():
            raise ValueError(f"image={column.name} is empty in row {row:,}; fill it in, or delete the row")
        name = (cell.removeprefix(f"{folder}/").removeprefix("./") if cell.startswith(("/", "./")) else cell) + ending
        if reason := unsafe(name):
            raise ValueError(
                f"image={column.name}, row {row:,}: {name!r} {reason}; names must stay in the folder, "
                f"data.root={folder}"
            )
        names.append(name)
    return names


def require_files(names: Sequence[str], folder: Path, column: str) -> None:
    """Require that all files exist.

    Raises:
        ValueError: the first that does not, with its row, how many others, and where it seems to be.
    """
    missing = [row for row, name in enumerate(names) if not os.path.exists(f"{folder}/{name}")]
    if not missing:
        return
    first = names[missing[0]]
    others = f", the first of {len(missing):,} missing files" if len(missing) > 1 else ""
    raise ValueError(
        f"image={column}, row {missing[0] + 1:,}: {first} does not exist in {folder}{others}; {_where(first, folder)}"
    )


def _where(name: str, folder: Path) -> str:
    """What to type for a file that is not where it is looked for."""
    with suppress(OSError):
        inside = sorted(entry.name for entry in os.scandir(folder) if entry.is_dir())[:MOST_FOLDERS]
        for place in ("", *(f"/{inner}" for inner in inside)):
            for ending in ("", *SUFFIXES):
                if os.path.exists(f"{folder}{place}/{name}{ending}"):
                    words = [f"data.root={folder}{place}"] * bool(place) + [f"data.ending={ending}"] * bool(ending)
                    return f"there is {folder}{place}/{name}{ending}: use {' '.join(words)}"
    return "name the folder of the images with data.root=FOLDER, or leave missing ones out with data.on_bad_image=skip"


def read_parts(column: "polars.Series") -> np.ndarray:
    """Read train, val or test of each row: (n,) text.

    Raises:
        ValueError: a cell is empty or another word, with its row.
    """
    cells = column.to_list()
    parts = [SPLIT_WORDS.get(str(cell).strip().lower(), "") for cell in cells]
    if "" in parts:
        row = parts.index("")
        shown = "is empty" if cells[row] is None else f"is {cells[row]!r}"
        raise ValueError(
            f"split={column.name} {shown} in row {row + 1:,}; each row says {', '.join(SPLIT_WORDS)}, or use "
            "data.split=null"
        )
    return np.array(parts)


def parts_by_folder(names: Sequence[str]) -> np.ndarray | None:
    """Read the split of each file from its first folder, (n,) text; None where a folder is called otherwise."""
    folders = [name.partition("/")[0].lower() for name in names]
    parts = np.array([SPLIT_WORDS.get(folder, "") for folder in folders])
    return parts if len(np.unique(parts)) > 1 and (parts != "").all() else None


def read_groups(column: "polars.Series") -> np.ndarray:
    """Read the group of each row, (n,) text.

    Raises:
        ValueError: a cell is empty, with its row.
    """
    import polars

    cells = column.cast(polars.String).to_list()
    if None in cells:
        raise ValueError(f"group={column.name} is empty in row {cells.index(None) + 1:,}; each row belongs to a group")
    return np.array(cells)


def read_weights(column: "polars.Series") -> np.ndarray:
    """Read how much each row counts in training, float32 (n,).

    Raises:
        ValueError: a cell is no finite number > 0, with its row.
    """
    if not column.dtype.is_numeric():
        raise ValueError(f"weight={column.name} holds {column.dtype}, and weights are numbers > 0")
    weights = np.nan_to_num(column.cast(float).to_numpy(), nan=-1, posinf=-1).astype(np.float32)
    if (wrong := np.flatnonzero(weights <= 0)).size:
        row = int(wrong[0])
        raise ValueError(f"weight={column.name} is {column[row]} in row {row + 1:,}; weights are finite numbers > 0")
    return weights


def first_rows(names: Sequence[str], **said: np.ndarray | None) -> np.ndarray:
    """The rows that name a file for the first time, (m,); another one must say the same.

    Args:
        names: of the files, one a row.
        said: labels, splits, groups, weights of the rows, (n, ...); None where there are none.

    Raises:
        ValueError: a file has two labels, splits, groups or weights, with both rows.
    """
    first: dict[str, int] = {}
    kept: list[int] = []
    for row, name in enumerate(names):
        before = first.setdefault(name, row)
        if before == row:
            kept.append(row)
            continue
        for what, values in said.items():
            if values is not None and not np.array_equal(values[before], values[row]):
                hint = "; for several labels of an image see data.separator" if what == "labels" else ""
                raise ValueError(
                    f"image: {name} has two {what}, in rows {before + 1:,} and {row + 1:,}; keep one{hint}"
                )
    return np.array(kept, dtype=np.int64)


def require_learnt(classes: Sequence[str], labels: np.ndarray, parts: np.ndarray) -> None:
    """Require that val and test have no class, or label, that train lacks.

    Raises:
        ValueError: names the first one.
    """
    rows = labels if labels.ndim == 2 else np.eye(len(classes), dtype=np.float32)[labels]
    learnt = rows[parts == "train"].any(axis=0)
    for part in ("val", "test"):
        if strange := np.flatnonzero(rows[parts == part].any(axis=0) & ~learnt).tolist():
            raise ValueError(
                f"target: the {part} split has {some(classes[k] for k in strange)}, which the training split lacks"
            )
