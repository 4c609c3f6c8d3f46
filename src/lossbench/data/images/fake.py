"""Images made up on the spot, for dry runs of any shape."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256

import numpy as np

from lossbench.config.values import integer
from lossbench.data.folds import fold_count, repeated_folds
from lossbench.data.images.image_source import LARGEST_SIDE, TOO_LARGE, ImageSource
from lossbench.data.source import Split
from lossbench.seeds import generator

GRID = 8


@dataclass(frozen=True, kw_only=True)
class FakeImages(ImageSource):
    """Noisy colour patterns, one pattern a class: enough to see that a run learns, whatever its shape.

    Args:
        classes: number of classes, >= 2.
        n_train: training images, >= 1.
        n_val: validation images, >= 1.
        n_test: test images, >= 1.
        height: of an image before cropping, pixels, >= 8.
        width: of an image before cropping, pixels, >= 8.
        split_seed: decides the images, >= 0.

    Raises:
        ValueError: a setting is out of range.
    """

    classes: int = 10
    n_train: int = 256
    n_val: int = 64
    n_test: int = 64
    height: int = 256
    width: int = 320
    split_seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        integer("classes", self.classes, 2, 100_000, "the weights of the last layer take memory")
        for name in ("n_train", "n_val", "n_test"):
            integer(name, getattr(self, name), 1, 10_000_000, "the numbers of all images are held in memory")
        for name in ("height", "width"):
            integer(name, getattr(self, name), 8, LARGEST_SIDE, TOO_LARGE)
        integer("split_seed", self.split_seed, low=0)

    @cached_property
    def class_names(self) -> tuple[str, ...]:  # pyright: ignore[reportIncompatibleVariableOverride] - a setting decides it here
        """pattern 0, pattern 1, ..."""
        return tuple(f"pattern {i}" for i in range(self.classes))

    def load(self) -> Mapping[str, Split]:
        """Number the images; `make` draws one when it is read."""
        splits, first = {}, 0
        for name, n in (("train", self.n_train), ("val", self.n_val), ("test", self.n_test)):
            index = np.arange(first, first + n)
            splits[name] = Split(index, (index - first) % self.classes, index.astype(str))
            first += n
        return splits

    @property
    def folds(self) -> int:
        """All images by those for testing."""
        n = self.n_train + self.n_val + self.n_test
        return fold_count(f"n_test / {n} (all images)", self.n_test / n)

    def draw(self, replicate: int) -> Mapping[str, np.ndarray]:
        """Draw a replicate's splits by repeated stratified folds."""
        targets, folds = self.pool().targets, self.folds
        return repeated_folds(targets, replicate, folds=folds, val=self.n_val / len(targets), seed=self.split_seed)

    def make(self, index: int, target: int) -> np.ndarray:
        """Draw one image: uint8, (height, width, 3)."""
        pattern = generator(self.split_seed, "pattern", target).integers(0, 256, (GRID, GRID, 3))
        rng = generator(self.split_seed, "image", index)
        coarse = 0.5 * pattern + 0.5 * rng.integers(0, 256, (GRID, GRID, 3))
        rows, columns = np.arange(self.height) * GRID // self.height, np.arange(self.width) * GRID // self.width
        grain = rng.integers(-20, 21, (self.height, self.width, 1))
        return np.clip(coarse[rows][:, columns] + grain, 0, 255).astype(np.uint8)

    def pictures(self, ids: Sequence[str]) -> list[np.ndarray]:
        """Draw images by their numbers: uint8 (height, width, 3)."""
        pool = self.pool()
        targets = dict(zip(pool.ids.tolist(), pool.targets.tolist(), strict=True))
        if unknown := [name for name in ids if name not in targets]:
            raise ValueError(f"the data set has no example {unknown[0]}")
        return [self.make(int(name), targets[name]) for name in ids]

    def sizes(self, split: Split) -> np.ndarray:
        """Heights and widths, pixels: (n, 2)."""
        return np.tile(np.array([self.height, self.width]), (len(split), 1))

    def digests(self, split: Split) -> np.ndarray:
        """A hash of what decides each image: (n,) text."""
        settings = f"{self.split_seed}/{self.classes}/{self.height}/{self.width}"
        rows = zip(split.inputs.tolist(), split.targets.tolist(), strict=True)
        return np.array([sha256(f"{settings}/{index}/{target}".encode()).hexdigest()[:32] for index, target in rows])
