"""A backbone that counts the images that pass it, and a few images for it."""

from collections.abc import Callable
from pathlib import Path

import torch
from photos import save_photo
from torch import Tensor, nn

from lossbench.data.images.fake import FakeImages
from lossbench.data.images.folder import ImageFolder

N = 35


def interrupt() -> None:
    """What Ctrl-C does."""
    raise KeyboardInterrupt


class Counting(nn.Module):
    """A backbone that counts the images that pass it."""

    def __init__(self, width: int = 5) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.weight = nn.Parameter(torch.randn(3, width, generator=generator))
        self.seen = 0
        self.stop_at: int | None = None
        self.stop: Callable[[], None] = interrupt

    def features(self, images: Tensor) -> Tensor:
        self.seen += len(images)
        if self.stop_at is not None and self.seen > self.stop_at:
            self.stop()
        return images.mean((2, 3)) @ self.weight


def fake(tmp_path: Path) -> FakeImages:
    sizes = {"n_train": 22, "n_val": 6, "n_test": 7}
    return FakeImages(cache_dir=str(tmp_path), image_size=16, height=16, width=20, classes=3, **sizes)


def photos(tmp_path: Path) -> ImageFolder:
    for i in range(N):
        path = tmp_path / "images" / "ab"[i % 2] / f"{i}.png"
        if not path.exists():
            save_photo(path, i)
    return ImageFolder(root=str(tmp_path / "images"), cache_dir=str(tmp_path / "cache"), image_size=16)
