"""scikit-learn's handwritten digits: 1,797 real images of 8 x 8 pixels, shipped with the package."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

import numpy as np

from lossbench.config.values import integer
from lossbench.data.folds import repeated_folds, stratified_split
from lossbench.data.source import Source, Split
from lossbench.seeds import generator

FILE = "datasets/data/digits.csv.gz"
"""In scikit-learn's package: a line for each image, its pixels row by row and its digit."""
SIZE = 1797
HELD_OUT = 0.2
"""Of all images, for validation and again for testing."""


@dataclass(frozen=True)
class Digits(Source):
    """Handwritten digits, stratified into 60 % train, 20 % val and 20 % test; replicates test on one fold of five.

    Args:
        split_seed: decides the split and nothing else, >= 0.
        images_per_class: training images kept of each class, >= 1; subsets are nested; None keeps all (about 107).

    Raises:
        ValueError: a setting is out of range; too many images per class when the data is read.
    """

    split_seed: int = 0
    images_per_class: int | None = None

    class_names: ClassVar[tuple[str, ...]] = tuple("0123456789")
    input_shape: ClassVar[tuple[int, ...]] = (1, 8, 8)

    def __post_init__(self) -> None:
        integer("split_seed", self.split_seed, low=0)
        if self.images_per_class is not None:
            integer("images_per_class", self.images_per_class, low=1)

    def left_out(self) -> list[str]:
        """How many training images `images_per_class` leaves out."""
        n, total = len(self.splits["train"]), SIZE - len(self.splits["val"]) - len(self.splits["test"])
        fewer = f"using {n:,} of {total:,} training images (data.images_per_class={self.images_per_class})"
        return [*([] if self.images_per_class is None or n == total else [fewer]), *super().left_out()]

    @property
    def folds(self) -> int:
        """Five: the test parts of five replicates are disjoint and cover the images."""
        return round(1 / HELD_OUT)

    def pool(self) -> Split:
        """All images, in scikit-learn's order."""
        return self._whole.images

    def draw(self, replicate: int) -> Mapping[str, np.ndarray]:
        """Draw a replicate's splits by repeated stratified folds."""
        targets, per_class = self.pool().targets, self.images_per_class
        return repeated_folds(
            targets, replicate, folds=self.folds, val=HELD_OUT, seed=self.split_seed, per_class=per_class
        )

    @cached_property
    def images(self) -> Split:
        """The images, scaled from 0..16 to [0, 1]."""
        rows = np.loadtxt(_file(), delimiter=",")
        images = (rows[:, :-1].reshape(-1, *self.input_shape) / 16).astype(np.float32)
        targets = rows[:, -1].astype(np.int64)
        return Split(images, targets, np.arange(len(targets)).astype(str))

    def load(self) -> Mapping[str, Split]:
        """Split the images by `split_seed`."""
        rng, per_class = generator(self.split_seed, "split"), self.images_per_class
        targets = self.images.targets
        index = stratified_split(targets, rng, val=HELD_OUT, test=HELD_OUT, per_class=per_class)
        return {name: self.images.take(positions) for name, positions in index.items()}


def _file() -> Path:
    """Find the images in scikit-learn's package, which is not imported: that takes a second."""
    package = find_spec("sklearn")
    assert package is not None  # it is a requirement
    assert package.origin is not None
    return Path(package.origin).parent / FILE
