"""Data sets whose examples are numbered, with parts of their own or none. Torch-free."""

from abc import abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from lossbench.data.grouped import spared
from lossbench.data.parts import Parts, check_held_out
from lossbench.data.source import Source
from lossbench.data.split import SPLITS, Split
from lossbench.errors import some

if TYPE_CHECKING:
    from hashlib import _Hash


@dataclass(frozen=True)
class Examples:
    """Everything that a data set holds.

    Args:
        whole: all examples.
        given: train, and val and test where they are published -> positions.
        class_names: of the C classes.
        groups: of the examples, (n,): all of a group are in one part; None where there are no groups.
        notes: what was decided for the user, a line each.
        unused: what of the data is not used, a clause each.
    """

    whole: Split
    given: Mapping[str, np.ndarray]
    class_names: tuple[str, ...]
    groups: np.ndarray | None = None
    notes: Sequence[str] = ()
    unused: Sequence[str] = ()


def positions_of(sizes: Mapping[str, int]) -> Mapping[str, np.ndarray]:
    """The positions of parts that lie one after another: part -> 0..n-1, n..m-1, ..."""
    ends = np.cumsum([*sizes.values()])
    return {name: np.arange(end - size, end) for end, (name, size) in zip(ends.tolist(), sizes.items(), strict=True)}


def held_out(given: Collection[str]) -> list[str]:
    """Say which parts are published and which are held out, in a line; [] where all are published."""
    held = " and ".join(name for name in ("val", "test") if name not in given)
    kept = " and ".join(name for name in SPLITS if name in given)
    if not held:
        return []
    return [f"{kept} as they are; {held} held out of train" if kept != "train" else f"{held} held out of all examples"]


@dataclass(frozen=True, kw_only=True)
class PartedSource(Source):
    """Examples in a fixed order: published parts are kept, and what is missing is held out of train.

    Args:
        val_fraction: share of what is not tested that is held out for validation, in (0, 1).
        test_fraction: share held out for testing, in (0, 1); 1 / k for replicates.
        split_seed: draws the parts, >= 0.
    """

    val_fraction: float = 0.2
    test_fraction: float = 0.2
    split_seed: int = 0

    def __post_init__(self) -> None:
        check_held_out(self.val_fraction, self.test_fraction, self.split_seed)

    @abstractmethod
    def read(self) -> Examples:
        """Read the data set.

        Raises:
            ValueError: names what is wrong with it.
        """

    @cached_property
    def _read(self) -> Examples:
        examples = self.read()
        _require_learnt(examples, examples.given["train"], f"{self.place}: the training part has no example of")
        return examples

    @property
    def examples(self) -> Examples:
        """Everything that the data set holds, read once."""
        return self._whole._read

    @property
    def class_names(self) -> tuple[str, ...]:  # pyright: ignore[reportIncompatibleVariableOverride] - the data decide it here
        """The classes, in the order of their indices."""
        return self.examples.class_names

    @cached_property
    def _parts(self) -> Parts:
        examples = self.examples
        settings = (self.val_fraction, self.test_fraction, self.split_seed)
        return Parts(self.strata(examples.whole), examples.given, *settings, examples.groups)

    @property
    def parts(self) -> Parts:
        """Which examples belong to which part."""
        return self._whole._parts

    @property
    def folds(self) -> int | None:
        """1 / test_fraction; None where a test part is published."""
        return self.parts.folds

    def load(self) -> Mapping[str, Split]:
        """Give the parts, those that are missing held out of train."""
        return {name: self.examples.whole.take(positions) for name, positions in self.parts.split.items()}

    def pool(self) -> Split:
        """All examples."""
        return self.examples.whole

    def draw(self, replicate: int) -> Mapping[str, np.ndarray]:
        """Draw a replicate's parts: by folds, or train and val anew and the published test part kept."""
        drawn = self.parts.draw(replicate)
        what = f"{self.place}: replicate {replicate} has no training example of"
        _require_learnt(self.examples, drawn["train"], what)
        return drawn

    @property
    def place(self) -> str:
        """Where the data are, KEY=VALUE, for messages."""
        return f"path={getattr(self, 'path', None)}"

    def about(self) -> list[str]:
        """What the data are, what was decided for the user, and how many examples are known from training."""
        unit, learnt = self.unit, self.learnt()
        leaks = [f"{n:,} {name} {unit} have the content of a training {unit[:-1]}" for name, n in learnt.items() if n]
        held = held_out([*self.examples.given]) if self.replicate is None else []
        unknown = f"a score on them says nothing about new {unit}"
        return [*super().about(), *held, *self.examples.notes, *(f"{leak}: {unknown}" for leak in leaks)]

    def left_out(self) -> list[str]:
        """What of the data is not used, and which classes a split lacks."""
        drawn = [] if self.replicate is None else spared(self.pool(), self.unchanged, self.unit)
        return [*self.examples.unused, *drawn, *super().left_out()]

    def facts(self) -> dict[str, Any]:
        """How many examples of val and test have the content of a training example, and how many groups there are."""
        groups = self.examples.groups
        return {self.learnt_key: self.learnt(), **({} if groups is None else {"groups": len(np.unique(groups))})}

    learnt_key: ClassVar[str] = "learnt_rows"
    """What result.json calls the number of examples that are known from training."""

    def learnt(self) -> dict[str, int]:
        """Count the examples of val and test whose content is that of a training example."""
        digests = {name: self.digests(split).tolist() for name, split in self.splits.items()}
        seen = {*digests["train"]}
        return {name: sum(digest in seen for digest in digests[name]) for name in ("val", "test")}

    def contents(self) -> Iterator[tuple[str, object, str]]:
        """Give the hash of the content, the class index (of several labels a tuple) and the id of every example."""
        whole = self.examples.whole
        targets = whole.targets.tolist() if whole.targets.ndim == 1 else map(tuple, whole.targets.tolist())
        yield from zip(self.digests(whole).tolist(), targets, whole.ids.tolist(), strict=True)

    @abstractmethod
    def digests(self, split: Split) -> np.ndarray:
        """A hash of the content of each of a split's examples: (n,) text."""

    def add_to(self, digest: "_Hash", name: str, split: Split) -> None:
        """Add some examples to a hash, and what their classes are called: predictions name them."""
        digest.update(f"{self.class_names}".encode("utf-8", "surrogateescape"))
        super().add_to(digest, name, split)


def _require_learnt(examples: Examples, learnt: np.ndarray, what: str) -> None:
    """Require an example to learn from of every class that there are examples of."""
    targets = examples.whole.targets
    if targets.ndim > 1:
        return
    lost = sorted({*targets.tolist()} - {*targets[learnt].tolist()})
    if lost:
        names = some(examples.class_names[i] for i in lost)
        raise ValueError(f"{what} {names}; add examples, or remove the class from the other parts")
