"""The input pipeline against plain torchvision."""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.figure import Figure, compare
from lossbench.errors import UserError


def figures(given: argparse.Namespace) -> list[Figure]:
    """Normalised training batches (224 px, random crops, flips) from files, one core, against plain torchvision."""
    import torch
    from torch.utils.data import DataLoader
    from torchvision import transforms as T
    from torchvision.datasets import ImageFolder

    from lossbench.data.augment import Augment
    from lossbench.data.module import DataModule
    from lossbench.hardware import keep_freed_memory

    if given.data is None or not given.data.is_dir():
        raise UserError(
            f"--data {given.data} must be a folder of class folders with images, such as an ImageNet train/"
        )
    keep_freed_memory()  # as in every run
    torch.set_num_threads(1)
    batch = 50
    steps = [
        T.RandomResizedCrop(224),
        T.RandomHorizontalFlip(),
        T.ToTensor(),
        T.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    ]
    usual = DataLoader(ImageFolder(str(given.data), T.Compose(steps)), batch_size=batch, shuffle=True, drop_last=True)

    def theirs() -> float:
        start = time.perf_counter()
        n = sum(len(images) for images, _ in usual)
        return n / (time.perf_counter() - start)

    found = []
    with tempfile.TemporaryDirectory() as folder:
        source = every_image(given.data, Path(folder))
        for cache in ("none", "disk"):
            data = DataModule(source, 0, batch, augment=Augment(scale=(0.08, 1.0), flip=0.5), cache=cache)
            data.prepare()

            def ours(data: DataModule = data) -> float:
                start = time.perf_counter()
                n = sum(len(data.device_transforms(one, "train").inputs) for one in data.train_dataloader())
                return n / (time.perf_counter() - start)

            found.append(compare(f"input.{cache}", "images/s", ours, theirs, 9, cost=False))
    return found


def every_image(root: Path, cache: Path) -> Any:
    """All images of a folder to train on, but for the two that the other splits need."""
    from lossbench.data.images.files import class_folders
    from lossbench.data.images.source import FileSource, Listing

    class Everything(FileSource):
        def listing(self) -> Listing:
            val, test, *train = class_folders(self.folder, "").names
            files = {"train": train, "val": [val], "test": [test]}
            return Listing(("image",), files, {split: [0] * len(names) for split, names in files.items()}, {})

    return Everything(root=str(root), cache_dir=str(cache), on_bad_image="skip")
