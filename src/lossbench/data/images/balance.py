"""The classes of a data set: how many examples each split has of each, and what is odd. Torch-free."""

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from lossbench.data.images.source import FileSource
from lossbench.data.parted import PartedSource
from lossbench.data.source import SPLITS, Source
from lossbench.data.split import class_counts
from lossbench.errors import some

FEW = 10
"""Training images of a class below which it is named."""
SHOWN = 50
"""Lines of the table; of more those of the smallest and the largest classes."""
SHORTEST = 5
"""Letters of a name that may be another one's misspelling."""


def counts_of(source: Source) -> np.ndarray:
    """Count the readable examples: (C, 3), a row a class, a column for train, val and test."""
    if isinstance(source, FileSource):
        targets = {name: split.targets for name, split in source.in_order(source.readable_splits()).items()}
    else:
        targets = {name: split.targets for name, split in source.splits.items()}
    return np.stack([class_counts(targets[split], source.num_classes) for split in SPLITS], axis=1)


def class_table(names: Sequence[str], counts: np.ndarray, *, whole: bool = False) -> list[str]:
    """Lines with a class and its images in each split.

    Args:
        names: of the classes.
        counts: (C, 3).
        whole: a line for every class; otherwise more than 50 classes are sorted by size, those of equal counts share
            a line, and of more than 50 lines the middle is left out.
    """
    if whole or len(names) <= SHOWN:
        rows = [_row(name, row) for name, row in zip(names, counts.tolist(), strict=True)]
    else:
        alike: dict[tuple[int, ...], list[str]] = defaultdict(list)
        for name, row in zip(names, counts.tolist(), strict=True):
            alike[tuple(row)].append(name)
        rows = [_row(some(alike[row]), row) for row in sorted(alike, key=lambda row: (sum(row), row))]
    if len(rows) > SHOWN and not whole:
        hidden = f"  ... {len(rows) - SHOWN:,} lines of sizes between these; --classes prints every class ..."
        rows = [*rows[: SHOWN // 2], hidden, *rows[-(SHOWN // 2) :]]
    return [f"  {'train':>7} {'val':>7} {'test':>7}  class", *rows]


def _row(name: str, counts: Sequence[int]) -> str:
    train, val, test = counts
    return f"  {train:7,} {val:7,} {test:7,}  {name}"


def oddities(source: Source, counts: np.ndarray) -> Iterator[str]:
    """What is odd about the classes, a line each: sizes, names, repeated content."""
    names = source.class_names
    sizes = counts[:, 0]
    least, most = int(sizes.argmin()), int(sizes.argmax())
    if 0 < sizes[least] < sizes[most]:
        yield (
            f"imbalance {sizes[most] / sizes[least]:.3g}: {names[most]} has {sizes[most]:,} training {source.unit}, "
            f"{names[least]} {sizes[least]:,}"
        )
    if few := [f"{names[i]} ({sizes[i]})" for i in np.flatnonzero(sizes < FEW).tolist()]:
        yield f"fewer than {FEW} training {source.unit}: {some(few)}"
    if alike := [" and ".join(pair) for pair in near_identical(names)]:
        yield f"class names that are nearly the same: {some(alike)}"
    if isinstance(source, FileSource | PartedSource):
        yield from _repeated(source)
        yield from (f"{line}; a score on them says nothing about new {source.unit}" for line in _learnt(source))


def near_identical(names: Sequence[str]) -> list[tuple[str, ...]]:
    """Groups of names that differ in case, blanks, signs or a plural s alone, or in one letter.

    Names with digits, such as n01440764 and n01440765, are compared whole: their digits are meant.
    """
    alike: dict[str, list[str]] = defaultdict(list)
    for name in names:
        alike[_letters(name)].append(name)
    groups = {tuple(sorted(group)) for group in alike.values() if len(group) > 1}
    for pair in _misspelt([key for key in alike if len(key) >= SHORTEST and not any(map(str.isdigit, key))]):
        groups.add(tuple(sorted(name for key in pair for name in alike[key])))
    return sorted(groups)


def _letters(name: str) -> str:
    """A name without case, blanks, signs and a plural s."""
    letters = "".join(filter(str.isalnum, unicodedata.normalize("NFKC", name).casefold()))
    return (letters.removesuffix("s") if len(letters) > SHORTEST else letters) or name


def _misspelt(keys: Iterable[str]) -> set[tuple[str, str]]:
    """Pairs that are the same once a letter is left out of one or both, at the same place."""
    shortened: dict[tuple[int, str], str] = {}
    pairs: set[tuple[str, str]] = set()
    whole = set(keys)
    for key in sorted(whole):
        for i in range(len(key)):
            rest = key[:i] + key[i + 1 :]
            if rest in whole and rest != key:
                pairs.add((rest, key))
            if (other := shortened.setdefault((i, rest), key)) != key:
                pairs.add((other, key))
    return pairs


def _repeated(source: FileSource | PartedSource) -> Iterator[str]:
    """Examples with the content of another one: of another class, or of the same."""
    files: dict[str, list[tuple[object, str]]] = defaultdict(list)
    for digest, target, name in source.contents():
        files[digest].append((target, name))
    groups = [group for group in files.values() if len(group) > 1]
    mixed = [dict(reversed(group)) for group in groups]  # the first name of each class
    mixed = [names for names in mixed if len(names) > 1]
    if mixed:
        first, second, *_ = sorted(mixed[0].values())
        yield f"{source.unit} that are in several classes: {len(mixed):,}, for instance {first} and {second}"
    if repeats := sum(map(len, groups)) - len(groups):
        first, second, *_ = (name for _, name in groups[0])
        yield f"{source.unit} with the content of another: {repeats:,}, for instance {first} and {second}"


def _learnt(source: FileSource | PartedSource) -> Iterator[str]:
    unit = source.unit
    for split, n in source.learnt().items():
        if n:
            yield f"{n:,} {split} {unit} have the content of a training {unit[:-1]}"
