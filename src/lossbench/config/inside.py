"""Where the loggers, callbacks and the profiler of a configuration may write: inside the run directory. Torch-free."""

import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

from lossbench.config.plain import is_mapping, is_sequence
from lossbench.errors import UserError

WRITERS = ("logger", "callbacks", "profiler")
FOLDERS = ("dirpath", "save_dir", "root_dir")  # settings that name a folder, relative to the run directory
SCHEME = re.compile(r"(?!https?://)[A-Za-z][\w+.-]*:/|(file|sqlite):")  # of a file, a database or a store
# A metric in a checkpoint's name, such as {val/nll:.2f}. It becomes a number; other formats and names give any text,
# "/" and ".." included.
FIELD = re.compile(r"\{[\w-]+(/[\w-]+)*(:[0-9.]{0,6}[defgEFG]?)?\}")
ROOT = "/run"  # stands for any run directory


def check_inside(record: Mapping[str, Any]) -> None:
    """Refuse a setting of loggers, callbacks and the profiler that, read as a path, leads out of the run directory.

    Args:
        record: the resolved configuration.

    Raises:
        UserError: names the key and what was found.
    """
    for section in WRITERS:
        for key, text in _texts(record.get(section), section):
            plain = FIELD.sub("0", text)
            if "{" in plain or "}" in plain:
                raise UserError(
                    f"{key}={text} is refused: braces hold a metric and how its number is written, "
                    "such as {epoch} or {val/nll:.2f}"
                )
            if not _stays_inside(plain):
                raise UserError(
                    f"{key}={text} leads out of the run directory, in which loggers, callbacks and the profiler write; "
                    "give a relative path, or a server as http(s)://... (MLFLOW_TRACKING_URI may name any store)"
                )


def _texts(value: object, key: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield key, value
    elif is_mapping(value):
        for name, item in value.items():
            yield from _texts(item, f"{key}.{name}")
    elif is_sequence(value):
        for k, item in enumerate(value):
            yield from _texts(item, f"{key}[{k}]")


def _stays_inside(text: str) -> bool:
    if SCHEME.match(text) or text.startswith("~") or "$" in text or "\0" in text:  # ~ and $ are expanded by Lightning
        return False
    place = os.path.normpath(os.path.join(ROOT, text))
    return place == ROOT or place.startswith(f"{ROOT}/")
