"""Which columns of a table name the images, their labels and their split: as the settings say, or found. Torch-free."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lossbench.data.images.subset import SUFFIXES
from lossbench.data.tables.reading import require_column
from lossbench.errors import some

if TYPE_CHECKING:
    import polars

AUTO = "auto"
IMAGE_NAMES = (
    *("image", "file", "filename", "file_name", "path", "filepath", "file_path", "image_path", "image_file"),
    *("image_name", "image_id", "img", "photo", "picture", "id"),
)
TARGET_NAMES = ("label", "labels", "class", "classes", "target", "category", "class_name", "label_name")
SPLIT_NAMES = ("split", "set", "subset", "partition", "fold", "phase")
SPLIT_WORDS: Mapping[str, str] = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}
TRIED = 1000  # cells that are looked at


@dataclass(frozen=True)
class Columns:
    """The columns that are used.

    Args:
        image: names a file in each row.
        targets: one with a class, or with several labels, in each row; or one for each label, of 0 and 1.
        split: says train, val or test; None where no column does.
    """

    image: str
    targets: tuple[str, ...]
    split: str | None


def find_columns(
    frame: "polars.DataFrame", image: str, targets: tuple[str, ...], split: str | None, taken: Iterable[str]
) -> Columns:
    """Take the columns that are typed, and find the others.

    Args:
        frame: the table.
        image: a column, or auto.
        targets: one or several, or auto.
        split: a column, auto, or None for none.
        taken: columns that are something else.

    Raises:
        ValueError: there is no such column, or none is unmistakable.
    """
    if image == AUTO:
        image = _found_image(frame)
    require_column(frame, image, "image")
    if split == AUTO:
        split = _found_split(frame)
    elif split is not None:
        require_column(frame, split, "split")
    if targets == (AUTO,):
        targets = (_found_target(frame, {image, split, *taken}),)
    for name in targets:
        require_column(frame, name, "target")
    return Columns(image, targets, split)


def _found_image(frame: "polars.DataFrame") -> str:
    """The one text column whose cells end like images, or the one that is called as such a column is."""
    ending = [column.name for column in frame if _ends_like_images(column)]
    likely = ending or frame.columns
    named = [name for name in likely if name.lower() in IMAGE_NAMES]
    for candidates in (ending, named):
        if len(candidates) == 1:
            return candidates[0]
    found = "several columns hold" if ending else "no column holds"
    raise ValueError(
        f"image=auto: {found} names of image files ({', '.join(SUFFIXES[:2])}, ...); name it with data.image=COLUMN, "
        f"one of {some(likely, 20)}"
    )


def _ends_like_images(column: "polars.Series") -> bool:
    import polars

    if column.dtype != polars.String:
        return False
    cells = column.drop_nulls().head(TRIED).to_list()
    return bool(cells) and all(cell.lower().endswith(SUFFIXES) for cell in cells)


def _found_split(frame: "polars.DataFrame") -> str | None:
    """The column that is called as a split is and holds nothing but its words."""
    named = [name for name in frame.columns if name.lower() in SPLIT_NAMES]
    found = [name for name in named if _words(frame[name]) and _words(frame[name]) <= SPLIT_WORDS.keys()]
    return found[0] if len(found) == 1 else None


def _words(column: "polars.Series") -> set[str]:
    return {str(cell).strip().lower() for cell in column.drop_nulls().unique().to_list()}


def _found_target(frame: "polars.DataFrame", taken: set[str | None]) -> str:
    """The column that is called as a label is, or the one that is left."""
    left = [name for name in frame.columns if name not in taken and name.lower() not in SPLIT_NAMES]
    named = [name for name in left if name.lower() in TARGET_NAMES]
    for candidates in (named, left):
        if len(candidates) == 1:
            return candidates[0]
    if not left:
        raise ValueError("target=auto: the table has no column of labels beside that of the images; add one")
    raise ValueError(
        "target=auto: several columns may be the label; name it with data.target=COLUMN, or data.target=[A,B] for "
        f"columns of 0 and 1: {some(named or left, 20)}"
    )
