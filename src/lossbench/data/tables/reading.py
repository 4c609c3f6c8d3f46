"""Reads a table from a file: CSV, Parquet or JSON Lines, with one line for a file that is none. Torch-free."""

import csv
import gzip
import os
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from lossbench.data.tables.csv_text import parse_csv
from lossbench.errors import one_line, suggest

if TYPE_CHECKING:
    import polars

LARGEST = 4 * 2**30  # bytes, unpacked
PACKED = ".gz"


def read_table(path: str | Path, key: str = "path") -> "polars.DataFrame":
    """Read a table; its columns are numbers, text, truth values, times or lists, and missing cells are null.

    Empty cells are missing; of CSV also the words in `csv_text.MISSING`, and lines without any cell are left out.

    Args:
        path: a file that ends in .csv, .tsv, .parquet, .jsonl or .ndjson; of text also .gz behind it.
        key: the setting that names it, for messages.

    Raises:
        ValueError: one line that names the file and what is wrong with it.
    """
    file = Path(os.path.expanduser(path))
    named = f"{key}={path}"
    if file.is_dir():
        raise ValueError(
            f"{named} is a folder; give one table (folders of images are data=image_folder data.root=PATH)"
        )
    read = _reader_of(file, named)
    if not file.is_file():
        raise ValueError(f"{named} is no file that exists; give one table")
    try:
        frame = read(_content(file))
    except Exception as error:
        if not _is_about_content(error):
            raise
        raise ValueError(f"{named} cannot be read: {_reason(error)}") from error
    if not frame.height or not frame.width:
        raise ValueError(f"{named} is empty: it has no {'row below its header' if frame.width else 'column'}")
    return _with_nulls(frame)


def require_column(frame: "polars.DataFrame", name: object, key: str) -> None:
    """Require that a table has a column of this name.

    Args:
        frame: the table.
        name: of the column.
        key: the setting that names it.

    Raises:
        ValueError: names the columns that there are.
    """
    if not isinstance(name, str) or name not in frame.columns:
        raise ValueError(f"{key}={name} is no column of the table; {suggest(str(name), frame.columns)}")


def _reader_of(file: Path, named: str) -> "Callable[[bytes], polars.DataFrame]":
    ending = file.suffix.lower()
    packed = ending == PACKED
    if packed:
        ending = Path(file.stem).suffix.lower()
    reader = READERS.get(ending)
    if reader is None or (packed and reader is _parquet):
        instead = "; write one object a line and call the file .jsonl" if ending == ".json" else ""
        raise ValueError(
            f"{named} is no table that can be read: its name must end in {', '.join(READERS)}, of text also in "
            f"{PACKED} behind it{instead}"
        )
    return reader


def _content(file: Path) -> bytes:
    """The bytes of a file, unpacked."""
    opener = gzip.open if file.suffix.lower() == PACKED else open
    with opener(file, "rb") as stream:
        content = stream.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise ValueError(f"it holds more than {LARGEST // 2**30} GiB; split it, or take a part of it")
    return content


def _parquet(content: bytes) -> "polars.DataFrame":
    import polars

    return polars.read_parquet(BytesIO(content))


def _json_lines(content: bytes) -> "polars.DataFrame":
    import polars

    if not content.strip():
        return polars.DataFrame()
    return polars.read_ndjson(BytesIO(content), infer_schema_length=None)


def _with_nulls(frame: "polars.DataFrame") -> "polars.DataFrame":
    """Empty text and numbers that are none become null."""
    from polars import selectors

    return frame.with_columns(selectors.string().replace("", None), selectors.float().fill_nan(None))


def _is_about_content(error: Exception) -> bool:
    """Whether an exception says that a file is damaged, or is not what its name says."""
    known = (OSError, EOFError, ValueError, csv.Error, zlib.error)
    return isinstance(error, known) or type(error).__module__.startswith("polars.")


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    text = one_line(error)
    if "utf-8" in text.lower():
        return "it is not UTF-8 text; convert it, for example with iconv -f LATIN1 -t UTF-8"
    return text[:160]


READERS: "dict[str, Callable[[bytes], polars.DataFrame]]" = {
    ".csv": parse_csv,
    ".tsv": parse_csv,
    ".parquet": _parquet,
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
}
