"""Small folders of images laid out like the real data sets."""

from pathlib import Path

import numpy as np
from PIL import Image


def save_photo(path: Path, seed: int, size: tuple[int, int] = (20, 24)) -> None:
    """Write a smooth random picture, (height, width) pixels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    Image.fromarray(coarse).resize(size[::-1], Image.Resampling.BICUBIC).save(path, quality=95)


def make_imagenet(root: Path, classes: int = 3, train: int = 10, val: int = 2) -> Path:
    """train/<wnid>/* and val/<wnid>/*."""
    for c in range(classes):
        wnid = f"n{c:08d}"
        for i in range(train):
            save_photo(root / "train" / wnid / f"{wnid}_{i}.JPEG", 100 * c + i)
        for i in range(val):
            save_photo(root / "val" / wnid / f"ILSVRC2012_val_{c * val + i:08d}.JPEG", 10_000 + 100 * c + i)
    return root


def make_pets(
    root: Path, breeds: tuple[str, ...] = ("Abyssinian", "american_bulldog", "Bengal"), trainval: int = 6, test: int = 3
) -> Path:
    """images/ and annotations/ as the official download has them."""
    lines: dict[str, list[str]] = {"trainval": [], "test": []}
    for label, breed in enumerate(breeds, 1):
        for i in range(trainval + test):
            save_photo(root / "images" / f"{breed}_{i}.jpg", 100 * label + i)
            lines["trainval" if i < trainval else "test"].append(
                f"{breed}_{i} {label} {1 if breed[0].isupper() else 2} 1"
            )
    (root / "annotations").mkdir()
    for name, rows in lines.items():
        (root / "annotations" / f"{name}.txt").write_text("\n".join(rows) + "\n")
    return root
