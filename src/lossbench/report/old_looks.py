"""looks.json, in which the looks at a study were kept before it had a journal: it is read, and never written."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

from lossbench.errors import UserError
from lossbench.rundir.reading import read_json

ADVICE = "move it away, and its looks are not counted"


def read_old_looks(study: Path) -> dict[str, list[list[int]]]:
    """Read the looks of a study: "metric baseline arm", the hashes by 16 digits, -> sets of seeds.

    Raises:
        UserError: looks.json is damaged.
    """
    path = study / "looks.json"
    if not path.exists():
        return {}
    content = _read(path)
    looks = content.get("looks", {})
    if set(content) - {"looks", "decided"} or not _are_all(looks, _is_list_of_looks) or not all(map(_is_name, looks)):
        raise UserError(f"{path} is damaged: expected looks, lists of seeds, and what was decided; {ADVICE}")
    return looks


def _read(path: Path) -> dict[str, Any]:
    try:
        return read_json(path)
    except UserError as error:
        reason = error.__cause__ or "expected a JSON object"
        raise UserError(f"{path} is damaged ({reason}); {ADVICE}") from error


def _is_name(name: str) -> bool:
    return len(name.split(" ")) == 3


def _are_all(values: Any, is_right: Callable[[Any], bool]) -> bool:
    return isinstance(values, dict) and all(map(is_right, cast(dict[str, Any], values).values()))


def _is_list_of_looks(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_look, cast(list[Any], value)))


def _is_look(value: Any) -> bool:
    return isinstance(value, list) and _are_whole(cast(list[Any], value))


def _are_whole(numbers: Sequence[Any]) -> bool:
    return all(type(number) is int for number in numbers)
