"""Examples by position: which are published as train, val and test, and how the others are drawn. Torch-free."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lossbench.data.folds import draw_parts, fold_count, repeated_folds
from lossbench.data.split import SPLITS
from lossbench.seeds import generator


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
    """

    strata: np.ndarray
    given: Mapping[str, np.ndarray]
    val_fraction: float = 0.2
    test_fraction: float = 0.2
    seed: int = 0

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
                rng = generator(self.seed, "split", name)
                held, rest = draw_parts(self.strata[left], (round(len(left) * fraction),), rng)
                found[name], left = left[held], left[rest]
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
            return repeated_folds(self.strata, replicate, folds=self.folds, val=share, seed=self.seed)
        learn = np.sort(np.concatenate([self.split["train"], self.split["val"]]))
        rng = generator(self.seed, "replicate", replicate)
        val, train = draw_parts(self.strata[learn], (len(self.split["val"]),), rng)
        return {"train": np.sort(learn[train]), "val": np.sort(learn[val]), "test": self.split["test"]}
