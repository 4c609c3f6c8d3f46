"""Which files a data set of images consists of, and what is in them. Torch-free."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import accumulate, chain, pairwise
from pathlib import Path
from typing import Any

import numpy as np

from lossbench.data.images.inspection import Inspection, inspect
from lossbench.data.source import Split
from lossbench.errors import some


@dataclass(frozen=True)
class Listing:
    """What a data set consists of before any image is opened.

    Args:
        classes: names in the order of the class indices.
        files: part -> file names below the root, with forward slashes; the parts are train, val and test, or those of
            what replicates are drawn from (see `pooled`).
        targets: part -> their class indices, or 0 and 1 for each label, float32 (n, C).
        facts: what else belongs into a result, such as the hashes of split lists.
        left_out: what in the folder is not used, a clause each, such as "test/ is not used".
        decided: what became what, a line each for the first screen, such as "train/ is train, val/ is test".
        weights: part -> how much each file counts in training, float32; {} counts all alike.
    """

    classes: tuple[str, ...]
    files: Mapping[str, Sequence[str]]
    targets: Mapping[str, Sequence[int] | np.ndarray]
    facts: Mapping[str, Any]
    left_out: Sequence[str] = ()
    decided: Sequence[str] = ()
    weights: Mapping[str, np.ndarray] = field(default_factory=dict[str, np.ndarray])

    def pooled(self, parts: Mapping[str, Sequence[str]]) -> "Listing":
        """Give what replicates are drawn from: the files of some splits together, sorted by name.

        Args:
            parts: name -> the splits that it is made of.
        """
        assert not self.weights, "files with weights are pooled by who knows them"
        files, targets = dict[str, list[str]](), dict[str, list[int]]()
        for part, splits in parts.items():
            pairs = chain.from_iterable(zip(self.files[name], self.targets[name], strict=True) for name in splits)
            files[part], targets[part] = map(list, zip(*sorted(pairs), strict=True))
        return replace(self, files=files, targets=targets)


class OpenedFiles:
    """The files of a listing, each opened once (and never again while it does not change).

    Args:
        listing: which they are.
        folder: the names are below it.
        cache: what is in them is remembered there.
    """

    def __init__(self, listing: Listing, folder: Path, cache: Path) -> None:
        self.listing, self.folder, self.cache = listing, folder, cache

    @cached_property
    def inspections(self) -> dict[str, Inspection]:
        """What is in the files: part -> a row for each."""
        files = self.listing.files
        found = inspect(self.folder, [*chain.from_iterable(files.values())], self.cache)
        ends = pairwise(accumulate(map(len, files.values()), initial=0))
        return {part: found.rows(slice(*each)) for part, each in zip(files, ends, strict=True)}

    @cached_property
    def row(self) -> dict[str, tuple[int, int, str]]:
        """Height, width and the hash of the content of each file."""
        rows = {}
        for part, found in self.inspections.items():
            columns = (found.height.tolist(), found.width.tolist(), found.digest.tolist())
            rows.update(zip(self.listing.files[part], zip(*columns, strict=True), strict=True))
        return rows

    def bad(self) -> list[tuple[str, str, str]]:
        """The images that cannot be read: part, path and reason."""
        return [
            (part, str(self.folder / self.listing.files[part][i]), str(found.reason[i]))
            for part, found in self.inspections.items()
            for i in np.flatnonzero(found.reason != "").tolist()
        ]

    def count(self, part: str) -> int:
        """Count the images of a part that can be read."""
        return int((self.inspections[part].reason == "").sum())

    def readable(self, part: str) -> Split:
        """The images of a part that can be read."""
        names = np.array(self.listing.files[part], dtype=np.str_)
        given = self.listing.targets[part]
        targets = given if isinstance(given, np.ndarray) else np.array(given, dtype=np.int64)
        return Split(names, targets, names, self.listing.weights.get(part)).take(
            np.flatnonzero(self.inspections[part].reason == "")
        )


def check_classes(root: str, listing: Listing) -> None:
    """Require two classes or more to learn from, and none that is only to validate or test on.

    Args:
        root: the data set's folder, as the user has given it.
        listing: of the splits, train first, or of a pool.

    Raises:
        ValueError: there is one class, or another split has a class of its own.
    """
    (_, learnt), *others = listing.targets.items()
    for split, targets in others:
        if strange := [listing.classes[k] for k in {*targets} - {*learnt}]:
            raise ValueError(
                f"root: the {split} split has {len(strange)} classes that the training split lacks, for instance "
                f"{min(strange)}"
            )
    if len({*learnt}) == 1:
        label = listing.classes[learnt[0]]
        inner = _inner_folders(root, label, chain.from_iterable(listing.files.values()))
        raise ValueError(f"root={root} has one class, {label}; two folders or more, one a class, are needed{inner}")


def _inner_folders(root: str, label: str, names: Iterable[str]) -> str:
    """Name the folders in a class folder, where they may be the classes."""
    below = [name.removeprefix(f"{label}/") for name in names if name.startswith(f"{label}/")]
    inner = sorted({name.split("/")[0] for name in below if "/" in name})
    return f"; it holds the folders {some(inner)}: is data.root={root}/{label} meant?" if len(inner) > 1 else ""
