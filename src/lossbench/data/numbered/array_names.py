"""Which of some arrays are inputs, labels and the rest, and of which part: found by their names. Torch-free."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from lossbench.data.split import SPLITS
from lossbench.errors import some, suggest

ROLES: Mapping[str, Sequence[str]] = {
    "x": ("x", "images", "image", "features", "embeddings", "data", "inputs", "input"),
    "y": ("y", "labels", "label", "targets", "target"),
    "ids": ("ids", "id"),
    "groups": ("groups", "group"),
    "weights": ("weights", "weight", "sample_weights", "sample_weight"),
    "class_names": ("class_names", "classes", "target_names", "label_names"),
}
"""What arrays are for -> what they may be called, in any case."""
WHOLE = ""
"""The part of arrays that hold all examples."""
PARTS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "dev": "val", "test": "test"}
"""What stands before or behind an array's name -> the part it belongs to."""
_PART = "|".join(sorted(PARTS, key=len, reverse=True))
_BEFORE, _BEHIND = re.compile(rf"({_PART})[_\-. ]?(.+)"), re.compile(rf"(.+?)[_\-. ]?({_PART})")


@dataclass(frozen=True)
class Layout:
    """What some arrays are for.

    Args:
        parts: WHOLE alone, or train, and val and test where there are such -> role -> name of the array.
        class_names: the array that names the classes; None where there is none.
        unused: the names of all others.
    """

    parts: Mapping[str, Mapping[str, str]]
    class_names: str | None
    unused: list[str]


def layout_of(names: Iterable[str], given: Mapping[str, str | None]) -> Layout:
    """Find X and y, or X_train, y_train, X_test, y_test and so on, and what belongs to them.

    Args:
        names: of the arrays.
        given: x or y -> the name that the user says, without the part; None looks for the usual ones.

    Raises:
        ValueError: inputs or labels are missing, or several arrays may be the same thing.
    """
    known = [*names]
    found = _found(known, given)
    for role, what in (("x", "inputs"), ("y", "labels")):
        _require(role, what, known, given, found)
    parts = {part: roles for part in _parts(found) if (roles := _of_examples(found, part))}
    if set(parts) != {WHOLE} and WHOLE in parts:  # X, y, X_test, y_test
        parts = {"train": parts.pop(WHOLE), **parts}
    _require_pairs(parts, known)
    class_names = found.get((WHOLE, "class_names"))
    used = {class_names, *(name for roles in parts.values() for name in roles.values())}
    return Layout(parts, class_names, [name for name in known if name not in used])


def _require_pairs(parts: Mapping[str, Mapping[str, str]], known: Sequence[str]) -> None:
    """Require inputs and labels of every part."""
    for roles in parts.values():
        for role, what in (("x", "inputs"), ("y", "labels")):
            if role not in roles:
                raise ValueError(f"there are no {what} beside {min(roles.values())}, only {some(known)}")


def _found(names: Sequence[str], given: Mapping[str, str | None]) -> dict[tuple[str, str], str]:
    """(part, role) -> name of the array."""
    several: dict[tuple[str, str], list[str]] = defaultdict(list)
    for name in names:
        if place := _place(name.lower(), given):
            several[place].append(name)
    for (_, role), same in several.items():
        if len(same) > 1:
            choose = f"choose with data.{role}=NAME" if role in given else "leave all but one out"
            raise ValueError(f"{some(same)} may all be the {role} of the same examples; {choose}")
    return {place: same[0] for place, same in several.items()}


def _place(name: str, given: Mapping[str, str | None]) -> tuple[str, str] | None:
    """Give the part and the role of an array; None where its name says neither."""
    readings = [(WHOLE, name)]
    if before := _BEFORE.fullmatch(name):
        readings.append((PARTS[before[1]], before[2]))
    if behind := _BEHIND.fullmatch(name):
        readings.append((PARTS[behind[2]], behind[1]))
    for part, rest in readings:
        for role, usual in ROLES.items():
            chosen = given.get(role)
            if rest in ((chosen.lower(),) if chosen else usual):
                return part, role
    return None


def _require(
    role: str,
    what: str,
    known: Sequence[str],
    given: Mapping[str, str | None],
    found: Mapping[tuple[str, str], str],
) -> None:
    """Require inputs, or labels, to learn from."""
    if {(WHOLE, role), ("train", role)} & {*found}:
        return
    if chosen := given.get(role):
        raise ValueError(f"data.{role}={chosen} is no array to learn from; {suggest(chosen, known)}")
    usual = ", ".join(ROLES[role])
    raise ValueError(
        f"no array is called as {what} to learn from are ({usual}; train, val and test may stand before or "
        f"behind), only {some(known)}; name it with data.{role}=NAME"
    )


def _parts(found: Mapping[tuple[str, str], str]) -> tuple[str, ...]:
    """The parts that are used: arrays of all examples are not, where there are those of train."""
    return SPLITS if ("train", "x") in found else (WHOLE, "val", "test")


def _of_examples(found: Mapping[tuple[str, str], str], part: str) -> dict[str, str]:
    """Role -> name of the arrays of a part that have a row for each example; {} without inputs and labels."""
    roles = {role: found[part, role] for role in ROLES if role != "class_names" and (part, role) in found}
    return roles if {"x", "y"} & {*roles} else {}
