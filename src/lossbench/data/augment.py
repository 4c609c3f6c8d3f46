"""Augmentation: its settings, and its random numbers as functions of (seed, epoch, position) alone. Torch-free."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lossbench.config.values import number
from lossbench.seeds import derive

TRIES = 10
"""How often a crop is drawn before the largest possible one is taken, as in torchvision."""
GOLDEN, FIRST, SECOND = (np.uint64(value) for value in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))


@dataclass(frozen=True)
class Augment:
    """How training images, and their targets, are varied.

    Args:
        scale: area of a random crop, smallest and largest fraction of the image, in (0, 1]; None crops the centre.
        ratio: width over height of a random crop, smallest and largest.
        flip: probability of a horizontal flip, 0..1.
        transforms: torchvision transforms of one uint8 image, applied after crop and flip.
        erasing: probability of erasing a rectangle of 2 to 33 % of the area, 0..1.
        mixup: alpha of the Beta distribution of the share of a second image blended in, >= 0; 0 is off.
        cutmix: alpha of the Beta distribution of the area of a second image pasted in, >= 0; 0 is off; with mixup
            each batch takes either.
        label_smoothing: share of the target spread evenly over all classes, in [0, 1).

    Raises:
        ValueError: a setting is out of range.

    Reference:
        Szegedy et al. 2015, Going Deeper with Convolutions, section 6 (crops); Zhong et al. 2017 (erasing);
        Zhang et al. 2018, eq. 1 (mixup); Yun et al. 2019, eq. 1 (cutmix); Szegedy et al. 2016, section 7 (smoothing).
    """

    scale: Sequence[float] | None = None
    ratio: Sequence[float] = (3 / 4, 4 / 3)
    flip: float = 0.0
    transforms: Sequence[Any] = field(default=())
    erasing: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0
    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        if self.scale is not None and not _limits(self.scale, 1.0):
            raise ValueError(f"scale must be two numbers, 0 < smallest <= largest <= 1, got {self.scale!r}")
        if not _limits(self.ratio, math.inf):
            raise ValueError(f"ratio must be two numbers, 0 < smallest <= largest, got {self.ratio!r}")
        for name in ("flip", "erasing"):
            number(name, getattr(self, name), 0, top=1)
        for name in ("mixup", "cutmix"):
            number(name, getattr(self, name), 0)
        number("label_smoothing", self.label_smoothing, 0, below=1)
        transforms = self.transforms or ()
        if not (isinstance(transforms, Sequence) and all(map(callable, transforms))):
            raise ValueError(
                f"transforms must be a list of torchvision transforms, each with its _target_, got {self.transforms!r}"
            )

    @property
    def soft(self) -> tuple[str, ...]:
        """The settings in force that make targets class probabilities."""
        return tuple(name for name in ("mixup", "cutmix", "label_smoothing") if getattr(self, name) > 0)


def uniforms(seed: int, epoch: int, positions: np.ndarray, count: int) -> np.ndarray:
    """Draw `count` numbers for each position of a split, the same whoever draws them and in whatever company.

    SplitMix64 at the counters position * 2^16 + 1, 2, ..., from a key that hashes seed and epoch.

    Args:
        seed: the run's.
        epoch: which pass over the data, >= 0.
        positions: (n,), positions in the split.
        count: numbers for each, < 2^16.

    Returns:
        (n, count), float64 in [0, 1).

    Reference:
        Steele, Lea and Flood 2014, Fast Splittable Pseudorandom Number Generators, section 5.
    """
    counter = (positions.astype(np.uint64)[:, None] << np.uint64(16)) + np.arange(1, count + 1, dtype=np.uint64)
    with np.errstate(over="ignore"):  # arithmetic modulo 2^64 is meant
        z = np.uint64(derive(seed, "augment", epoch)) + counter * GOLDEN
        z = (z ^ (z >> np.uint64(30))) * FIRST
        z = (z ^ (z >> np.uint64(27))) * SECOND
        return ((z ^ (z >> np.uint64(31))) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def random_boxes(draws: np.ndarray, sizes: np.ndarray, scale: Sequence[float], ratio: Sequence[float]) -> np.ndarray:
    """Choose a crop of random area and shape in each image, as torchvision's RandomResizedCrop does.

    Args:
        draws: uniform numbers, (n, 2 * TRIES + 2).
        sizes: heights and widths, pixels, (n, 2).
        scale: smallest and largest share of the area.
        ratio: smallest and largest width over height; its logarithm is uniform.

    Returns:
        (n, 4) int64: top, left, height, width in pixels.
    """
    height, width = sizes[:, :1], sizes[:, 1:]
    area = height * width * (scale[0] + (scale[1] - scale[0]) * draws[:, :TRIES])
    shape = np.exp(np.log(ratio[0]) + (np.log(ratio[1]) - np.log(ratio[0])) * draws[:, TRIES : 2 * TRIES])
    h, w = np.rint(np.sqrt(area / shape)).astype(np.int64), np.rint(np.sqrt(area * shape)).astype(np.int64)
    fits = (h > 0) & (h <= height) & (w > 0) & (w <= width)
    first = fits.argmax(1)
    rows = np.arange(len(sizes))
    h, w = h[rows, first], w[rows, first]
    whole_h, whole_w = _largest(sizes, ratio)
    none = ~fits.any(1)
    h, w = np.where(none, whole_h, h), np.where(none, whole_w, w)
    room = np.stack((sizes[:, 0] - h, sizes[:, 1] - w), 1)
    corner = np.where(none[:, None], room // 2, np.floor(draws[:, -2:] * (room + 1)).astype(np.int64))
    return np.column_stack((corner, h, w))


def centre_boxes(sizes: np.ndarray, side: int) -> np.ndarray:
    """Choose the square of `side` pixels in the middle of each image: (n, 4) int64 top, left, height, width."""
    corner = np.rint((sizes - side) / 2).astype(np.int64)
    return np.column_stack((corner, np.full_like(sizes, side)))


def erase_boxes(draws: np.ndarray, side: int, probability: float) -> np.ndarray:
    """Choose the rectangle that is erased of each square image: 2 to 33 % of its area, width over height 0.3 to 3.3.

    A height of 0 erases nothing.

    Args:
        draws: uniform numbers, (n, 2 * TRIES + 3).
        side: of the images, pixels.
        probability: that an image loses anything.

    Returns:
        (n, 4) int64: top, left, height, width in pixels.
    """
    boxes = random_boxes(draws[:, 1:], np.full((len(draws), 2), side), (0.02, 0.33), (0.3, 3.3))
    boxes[draws[:, 0] >= probability] = 0
    return boxes


def _largest(sizes: np.ndarray, ratio: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """Height and width of the largest crop of an allowed shape."""
    height, width = sizes[:, 0], sizes[:, 1]
    w = np.minimum(width, np.rint(height * ratio[1]).astype(np.int64))
    h = np.minimum(height, np.rint(width / ratio[0]).astype(np.int64))
    return np.maximum(h, 1), np.maximum(w, 1)


def _limits(value: object, top: float) -> bool:
    numbers = isinstance(value, Sequence) and all(
        isinstance(part, int | float) and not isinstance(part, bool) for part in value
    )
    pair = tuple(value) if numbers else ()  # pyright: ignore[reportArgumentType]
    return len(pair) == 2 and 0 < pair[0] <= pair[1] <= top and pair[1] < math.inf
