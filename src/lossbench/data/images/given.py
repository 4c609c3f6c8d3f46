"""The parts that a collection of images comes with, before those that are missing are held out. Torch-free."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, combinations
from typing import Any


@dataclass(frozen=True)
class Given:
    """The parts that a collection comes with: train, and val and test where it has them.

    Args:
        images: part -> class -> names below the root.
        places: part -> where it was found, in the user's words, such as valid/ or val_list; none for class folders
            that lie in the root itself.
        labels: the classes in the order of their indices, where something gives one; else they are sorted.
        facts: what else belongs into a result, such as the hashes of split lists.
        left_out: what is not used, a clause each.
        notes: what else was decided, a line each.
    """

    images: Mapping[str, Mapping[str, Sequence[str]]]
    places: Mapping[str, str] = field(default_factory=dict)
    labels: tuple[str, ...] | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    left_out: Sequence[str] = ()
    notes: Sequence[str] = ()

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes of all parts, in the order of their indices."""
        return self.labels or tuple(sorted({*chain.from_iterable(self.images.values())}))

    def names(self, part: str) -> list[str]:
        """All images of a part, sorted."""
        return sorted(chain.from_iterable(self.images[part].values()))

    def index(self) -> dict[str, int]:
        """Give each image the index of its class."""
        number = {label: k for k, label in enumerate(self.classes)}
        found: dict[str, int] = {}
        for groups in self.images.values():
            for label, names in groups.items():
                found.update(dict.fromkeys(names, number[label]))
        return found

    def require_apart(self) -> None:
        """Require that no image is in two parts.

        Raises:
            ValueError: names the two parts and an image.
        """
        for first, second in combinations(self.images, 2):
            if both := {*self.names(first)} & {*self.names(second)}:
                where = f"{self.places[second]} and {self.places[first]}"
                raise ValueError(f"{where} share {len(both)} images, for instance {min(both)}")

    def said(self, shares: Mapping[str, float], settings: Collection[str]) -> Iterator[str]:
        """Say what became train, val and test.

        Args:
            shares: part -> share of each class of train that is held out for it, test first.
            settings: the names of those that can be typed.
        """
        yield from self.notes
        found = [f"{place} is {part}" for part, place in self.places.items()]
        of = f"each class of {self.places['train']}" if self.places else "each class"
        for part, share in shares.items():
            setting = f" (data.{part}_fraction)" if f"{part}_fraction" in settings else ""
            found.append(f"{share:.3g} of {of} is {part}{setting}")
            of = "the rest"
        yield ", ".join(found)

    def said_of_pool(self) -> Iterator[str]:
        """Say what replicates are drawn from, where no part is kept."""
        yield from self.notes
        if len(self.places) > 1:
            yield f"replicates are drawn from {' and '.join(self.places.values())} together"
