"""Files of a plan: written once, read with a hash of their content. Torch-free."""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

from lossbench.rundir.files import cannot_write, make_folder, write_json
from lossbench.rundir.kinds import TEXT, Kind, check_kinds
from lossbench.rundir.reading import DamagedError, read_json

WAY_OUT = "undo the edit, or move the study's two folders (.trials, .tuned) away and start it anew"
SEAL = "sha256"
"""The key that holds the hash of all others."""


def hash_of(value: Mapping[str, Any]) -> str:
    """Hash plain values: 64 hexadecimal digits of SHA-256 of their JSON with sorted keys."""
    return sha256(json.dumps(value, sort_keys=True, allow_nan=False).encode()).hexdigest()


def write_once(path: Path, value: Mapping[str, Any]) -> None:
    """Write a JSON file, and the hash of its content in it; a file that is there stays as it is.

    Raises:
        UserError: it cannot be written.
    """
    make_folder(path.parent)
    beside = path.with_name(f".{path.stem}.{uuid4().hex[:8]}.tmp.json")
    write_json(beside, {**value, SEAL: hash_of(value)})
    try:
        with suppress(FileExistsError):
            os.link(beside, path)  # unlike a rename, it replaces nothing
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        beside.unlink(missing_ok=True)


def read_once_written(path: Path, kinds: Mapping[str, Kind]) -> dict[str, Any]:
    """Read a file of `write_once` without its hash.

    Args:
        path: the file.
        kinds: of its values; all of them must be there.

    Raises:
        DamagedError: it is missing, damaged or edited.
    """
    found = read_json(path, WAY_OUT)
    check_all(path, found, {**kinds, SEAL: TEXT})
    value = {key: item for key, item in found.items() if key != SEAL}
    if hash_of(value) != found[SEAL]:
        raise edited(path)
    return value


def check_all(path: Path, found: Mapping[str, Any], kinds: Mapping[str, Kind]) -> None:
    """Require values of the right kinds.

    Raises:
        DamagedError: names the first that is missing or of another kind.
    """
    if missing := [name for name in kinds if name not in found]:
        raise DamagedError(path, f"lacks {', '.join(missing)}", WAY_OUT)
    check_kinds(path, found, kinds, WAY_OUT)


def edited(path: Path) -> DamagedError:
    """The error where a file holds something else than was written."""
    return DamagedError(path, "was edited: its content is not what was written", WAY_OUT)
