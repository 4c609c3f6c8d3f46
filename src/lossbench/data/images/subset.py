"""Which images belong to a subset: decided by their names alone, so that it is the same on every machine and nested."""

import math
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import TypeVar

T = TypeVar("T")

SUFFIXES = (
    ".jpg",
    ".jpeg",
    ".jpe",
    ".jfif",
    ".png",
    ".gif",
    ".bmp",
    ".dib",
    ".webp",
    ".tif",
    ".tiff",
    ".ppm",
    ".pgm",
    ".pnm",
    ".pbm",
    ".jp2",
    ".jxl",
    ".avif",
    ".heic",
    ".heif",
)


def ranked(names: Iterable[str], seed: int) -> list[str]:
    """Put names into an order that looks random but depends on the names and the seed alone."""
    return sorted(names, key=lambda name: sha256(f"{seed}/{name}".encode("utf-8", "surrogateescape")).digest())


def hold_out(names: Sequence[T], fraction: float) -> tuple[list[T], list[T]]:
    """Take an even share out of a ranked list; the share of its first k names is part of that of its first k + 1.

    Args:
        names: ranked names, or positions.
        fraction: the share to take out, in [0, 1).

    Returns:
        Kept and taken out; round(fraction * len(names)) are taken, up to one.
    """
    taken = [math.floor((rank + 1) * fraction + 0.5) > math.floor(rank * fraction + 0.5) for rank in range(len(names))]
    kept = [name for name, out in zip(names, taken, strict=True) if not out]
    return kept, [name for name, out in zip(names, taken, strict=True) if out]


def hold_out_of_each(groups: Iterable[Sequence[str]], fraction: float) -> tuple[list[str], list[str]]:
    """Take the same share out of each of some ranked lists; give all that is kept and all that is taken out."""
    kept: list[str] = []
    taken: list[str] = []
    for names in groups:
        for part, more in zip((kept, taken), hold_out(names, fraction), strict=True):
            part += more
    return kept, taken


def hold_out_by_class(groups: Mapping[str, Sequence[str]], fraction: float) -> tuple[dict[str, list[str]], list[str]]:
    """Take the same share out of each ranked class; give what is kept, class by class, and all that is taken out."""
    kept, taken = dict[str, list[str]](), list[str]()
    for label, names in groups.items():
        kept[label], more = hold_out(names, fraction)
        taken += more
    return kept, taken


def first_of_each(
    groups: Mapping[str, Sequence[str]], per_class: int | None, *, may_be_short: bool = False
) -> dict[str, list[str]]:
    """Keep the first `per_class` names of each class; None keeps all.

    Raises:
        ValueError: a class has fewer, and may not be short.
    """
    for label, names in groups.items():
        if per_class is not None and len(names) < per_class and not may_be_short:
            raise ValueError(
                f"images_per_class must be <= {len(names)} (class {label} has no more), got {per_class}; "
                "images_per_class=null takes all"
            )
    return {label: list(names[:per_class]) for label, names in groups.items()}


def class_of(name: str, depth: int) -> str:
    """The class folder of a name, below `depth` other folders; deeper ones belong to it."""
    return name.split("/")[depth]


def by_class(names: Iterable[str], depth: int) -> dict[str, list[str]]:
    """Group names by their class folder, below `depth` other folders; classes in alphabetical order."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(class_of(name, depth), []).append(name)
    return {label: groups[label] for label in sorted(groups)}
