"""Examples by position: which are published as train, val and test, and how the others are drawn. Torch-free."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lossbench.config.values import integer, number
from lossbench.data.folds import draw_parts, fold_count, repeated_folds
from lossbench.data.grouped import crossing, grouped_folds, grouped_split
from lossbench.data.split import SPLITS
from lossbench.errors import some
from lossbench.seeds import derive, generator


def check_held_out(val_fraction: object, test_fraction: object, split_seed: object) -> None:
    """Check the settings of a data set whose missing parts are held out of train.

    Raises:
        ValueError: names the setting.
    """
    for name, fraction in (("val_fraction", val_fraction), ("test_fraction", test_fraction)):
        number(name, fraction, 0, above=True, below=1)
    integer("split_seed", split_seed, low=0)


@dataclass(frozen=True)
class Parts:
    """The parts that a data set comes with, and how what it lacks is held out of its training part.

    A published test part is the test part of every replicate; without one, replicates test on folds of everything.

    Args:
        strata: what is spread evenly over the parts, such as class indices, (n,).
        given: train, and val and test where they are published -> positions, disjoint, which cover 0..n-1.
        val_fraction: share held out for validation of what is not tested, in (0, 1).
        test_fraction: share held out for testing, in (0, 1); 1 / k for replicates.
        seed: of the split, >= 0.
        groups: the group of each example, which no two parts share, such as its patient, (n,); None has no groups.

    Raises:
        ValueError: a group is in two of the given parts.
    """

    strata: np.ndarray
    given: Mapping[str, np.ndarray]
    val_fraction: float = 0.2
    test_fraction: float = 0.2
    seed: int = 0
    groups: np.ndarray | None = None

    def __post_init__(self) -> None:
        shared = {} if self.groups is None else crossing(self.groups, self.given)
        for group, names in shared.items():
            raise ValueError(
                f"group: {len(shared)} groups are in more than one part, for instance {group!r} in "
                f"{some(sorted(names))}; put each into one, or leave the groups out"
            )

    @property
    def folds(self) -> int | None:
        """1 / test_fraction; None where a test part is published."""
        return None if "test" in self.given else fold_count("test_fraction", self.test_fraction)

    @cached_property
    def split(self) -> Mapping[str, np.ndarray]:
        """Positions, sorted, for train, val and test.

        Raises:
            ValueError: a fraction leaves a part without examples.
        """
        left, found = self.given["train"], dict(self.given)
        for name, fraction in (("test", self.test_fraction), ("val", self.val_fraction)):
            if name not in self.given:
                found[name], left = self._held_out(left, round(len(left) * fraction), "split", name)
        found["train"] = left
        for name in SPLITS:
            if not len(found[name]):
                raise ValueError(
                    f"{'test' if name == 'test' else 'val'}_fraction leaves no {name} examples of the "
                    f"{len(self.given['train']):,} training examples"
                )
        return {name: np.sort(found[name]) for name in SPLITS}

    def draw(self, replicate: int) -> Mapping[str, np.ndarray]:
        """Draw a replicate: by folds, or train and val anew, as large as in `split`, and the published test part kept.

        Args:
            replicate: r >= 0.

        Returns:
            Positions, sorted, for train, val and test.
        """
        if self.folds is not None:
            share = len(self.split["val"]) / len(self.strata)
            if self.groups is not None:
                of = (self.strata, self.groups, replicate)
                return grouped_folds(*of, folds=self.folds, val=share, seed=self.seed)
            return repeated_folds(self.strata, replicate, folds=self.folds, val=share, seed=self.seed)
        learn = np.sort(np.concatenate([self.split["train"], self.split["val"]]))
        val, train = self._held_out(learn, len(self.split["val"]), "replicate", replicate)
        return {"train": np.sort(train), "val": np.sort(val), "test": self.split["test"]}

    def _held_out(self, positions: np.ndarray, size: int, *names: object) -> tuple[np.ndarray, np.ndarray]:
        """Draw some of the positions, whole groups where there are groups; gives them and the rest."""
        if self.groups is None or not size:
            held, rest = draw_parts(self.strata[positions], (size,), generator(self.seed, *names))
            return positions[held], positions[rest]
        of, share = (self.strata[positions], self.groups[positions]), size / len(positions)
        parts = grouped_split(*of, val=share, test=0, seed=derive(self.seed, *names))
        return positions[parts["val"]], positions[parts["train"]]
