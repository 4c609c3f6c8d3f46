"""Crops on the device: evaluation's bit for bit, training's as a loop over pixels makes them, image by image."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from lossbench.data.augment import Augment
from lossbench.data.images import device
from lossbench.data.images.cache import CachedReader, cached
from lossbench.data.images.cache_files import ImageCache
from lossbench.data.images.device import DevicePixels, DeviceReader
from lossbench.data.images.fake import FakeImages
from lossbench.data.images.reader import GeneratedReader
from lossbench.data.images.views import Views
from lossbench.data.module import DataModule

SIDE, SHORTER = 6, 8
SIZES = np.array([[9, 14], [20, 10], [8, 8], [31, 12], [10, 11], [8, 40], [17, 17]])
FILL = torch.tensor([10, 20, 30], dtype=torch.uint8)
N = len(SIZES)


def paint(position: int) -> np.ndarray:
    return np.random.default_rng(position).integers(0, 256, (*SIZES[position], 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> CachedReader:
    """Small noise images of many shapes."""
    digests = np.array([str(i) for i in range(N)])
    return CachedReader(
        cached(GeneratedReader(paint, SIZES), digests, SHORTER, tmp_path_factory.mktemp("cache")), digests
    )


@pytest.fixture
def crop(pictures: CachedReader) -> DeviceReader:
    return on_device(pictures.cache)


def on_device(decoded: ImageCache) -> DeviceReader:
    rows = np.arange(len(decoded.sizes))
    return DeviceReader(DevicePixels(decoded, rows, torch.device("cpu")), rows, SIDE, FILL)


def view(*box: int, flip: int = 0, erase: tuple[int, int, int, int] = (0, 0, 0, 0)) -> list[int]:
    return [*box, flip, *erase]


def chosen(pictures: CachedReader, epoch: int = 0, **settings: Any) -> Tensor:
    views = Views(pictures.sizes, SIDE, SHORTER, 0, Augment(**{"scale": (0.1, 1.0), **settings}))
    return torch.from_numpy(views.choose(list(range(N)), epoch))


def naive(image: Tensor, view: list[int]) -> np.ndarray:
    """One pixel after another: the weighted mean of the four pixels around the point it comes from."""
    top, left, height, width, flip, erase_top, erase_left, erase_height, erase_width = view
    pixels = image.permute(1, 2, 0).numpy().astype(float)
    out = np.zeros((SIDE, SIDE, 3))
    for i in range(SIDE):
        for j in range(SIDE):
            if erase_top <= i < erase_top + erase_height and erase_left <= j < erase_left + erase_width:
                out[i, j] = FILL.numpy()
                continue
            y = top + (i + 0.5) * height / SIDE - 0.5
            x = left + ((SIDE - 1 - j if flip else j) + 0.5) * width / SIDE - 0.5
            for row in (math.floor(y), math.floor(y) + 1):
                for column in (math.floor(x), math.floor(x) + 1):
                    weight = (1 - abs(y - row)) * (1 - abs(x - column))
                    inside = min(max(row, top), top + height - 1), min(max(column, left), left + width - 1)
                    out[i, j] += weight * pixels[inside]
    return out


# -- evaluation


@pytest.mark.parametrize("stage", ["val", "test"])
def test_evaluation_is_that_of_the_disk_cache_bit_for_bit(stage: str, tmp_path: Path) -> None:
    source = FakeImages(
        cache_dir=str(tmp_path),
        classes=2,
        n_train=3,
        n_val=9,
        n_test=7,
        height=23,
        width=41,
        image_size=20,
        resize=21,
        split_seed=1,
    )
    disk, gpu = (
        DataModule(source, 0, 4, cache=name, augment=Augment(scale=(0.5, 1.0), flip=1.0)) for name in ("disk", "gpu")
    )
    for a, b in zip(disk.evaluation_loader(stage), gpu.evaluation_loader(stage), strict=True):
        images = gpu._readers.cropped(b.position, b.inputs, stage)
        assert images.dtype == torch.float32
        assert torch.equal(images, a.inputs.float())
        assert torch.equal(gpu.device_transforms(b, stage).inputs, disk.device_transforms(a, stage).inputs)
        assert torch.equal(a.target, b.target)


def test_a_crop_of_its_own_size_is_copied(pictures: CachedReader, crop: DeviceReader) -> None:
    views = torch.tensor([view(2, 1, SIDE, SIDE) for _ in range(N)])
    images = crop(torch.arange(N), views)
    for i in range(N):
        assert torch.equal(images[i], pictures.read(i)[:, 2 : 2 + SIDE, 1 : 1 + SIDE].permute(1, 2, 0).float())


# -- training


@pytest.mark.parametrize("epoch", range(5))
def test_training_crops_are_those_of_a_loop_over_pixels(epoch: int, pictures: CachedReader, crop: DeviceReader) -> None:
    views = chosen(pictures, epoch, flip=0.5, erasing=0.5)
    images = crop(torch.arange(N), views).numpy()
    for i in range(N):
        assert np.abs(images[i] - naive(pictures.read(i), views[i].tolist())).max() < 1e-3


@pytest.mark.parametrize("epoch", range(3))
def test_training_crops_are_those_of_torch(epoch: int, pictures: CachedReader, crop: DeviceReader) -> None:
    views = chosen(pictures, epoch)
    images = crop(torch.arange(N), views)
    for i in range(N):
        top, left, height, width = views[i, :4].tolist()
        part = pictures.read(i)[None, :, top : top + height, left : left + width].float()
        expected = F.interpolate(part, (SIDE, SIDE), mode="bilinear", align_corners=False, antialias=False)
        assert (images[i] - expected[0].permute(1, 2, 0)).abs().max() < 1e-3


def test_no_pixel_outside_the_crop_is_seen(tmp_path: Path) -> None:
    """Not beyond its border, and not of the next image in memory."""
    sizes = np.array([[8, 8]] * 3)

    def one(position: int) -> np.ndarray:
        image = np.full((8, 8, 3), 255 if position != 1 else 0, dtype=np.uint8)
        if position == 1:
            image[2:6, 2:6] = 100
        return image

    crop = on_device(cached(GeneratedReader(one, sizes), np.array(["a", "b", "c"]), 8, tmp_path))
    for box, value in (((2, 2, 4, 4), {100.0}), ((2, 2, 1, 1), {100.0}), ((0, 0, 8, 2), {0.0})):
        assert set(crop(torch.tensor([1]), torch.tensor([view(*box)])).unique().tolist()) == value
    assert crop(torch.tensor([1]), torch.tensor([view(0, 0, 8, 8)])).max() <= 100


def test_extreme_crops(pictures: CachedReader, crop: DeviceReader) -> None:
    """One pixel, one row, one column, the last corner, and everything."""
    position = 3
    height, width = pictures.sizes[position].tolist()
    boxes = [(0, 0, 1, 1), (height - 1, width - 1, 1, 1), (4, 0, 1, width), (0, 3, height, 1), (0, 0, height, width)]
    views = torch.tensor([view(*box) for box in boxes])
    images = crop(torch.full((len(boxes),), position), views)
    image = pictures.read(position)
    assert (images[0] == image[:, 0, 0]).all()
    assert (images[1] == image[:, -1, -1]).all()
    for found, row in zip(images, views.tolist(), strict=True):
        assert np.abs(found.numpy() - naive(image, row)).max() < 1e-3


def test_flips_mirror_the_crop_and_not_what_is_erased(pictures: CachedReader, crop: DeviceReader) -> None:
    plain, erased = chosen(pictures), chosen(pictures, erasing=1.0)
    mirrored = plain.clone()
    mirrored[:, 4] = 1
    position = torch.arange(N)
    flipped = crop(position, plain).flip(2)
    assert torch.equal(crop(position, mirrored), flipped)
    both = erased.clone()
    both[:, 4] = 1
    images = crop(position, both)
    for i in range(N):
        top, left, height, width = both[i, 5:].tolist()
        expected = flipped[i].clone()
        expected[top : top + height, left : left + width] = FILL.float()
        assert height > 0
        assert torch.equal(images[i], expected)


def test_every_image_has_its_own_view(pictures: CachedReader, crop: DeviceReader) -> None:
    """A batch is each of its images alone, in any order and with repeats."""
    views = chosen(pictures, flip=0.5, erasing=0.5)
    order = torch.tensor([3, 3, 0, 6, 5])
    batch = crop(order, views[order])
    for row, position in zip(batch, order.tolist(), strict=True):
        assert torch.equal(crop(torch.tensor([position]), views[position : position + 1])[0], row)


def test_pixels_are_copied_in_pieces(pictures: CachedReader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "CHUNK", 1000)
    assert 2000 < pictures.cache.bytes_of(pictures.rows) < 3000
    crop = on_device(pictures.cache)
    assert crop.pixels.numpy().tobytes() == (pictures.cache.path / "pixels.bin").read_bytes()


def test_splits_share_the_images_that_they_have_alone(pictures: CachedReader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "CHUNK", 100)
    held = DevicePixels(pictures.cache, np.array([1, 2, 5]), torch.device("cpu"))
    assert held.pixels.numel() == pictures.cache.bytes_of(np.array([1, 2, 5]))
    for rows in (np.array([5, 1]), np.array([2])):
        crop = DeviceReader(held, rows, SIDE, FILL)
        views = torch.tensor([view(0, 0, SIDE, SIDE) for _ in rows])
        for image, row in zip(crop(torch.arange(len(rows)), views), rows, strict=True):
            assert torch.equal(image, pictures.read(int(row))[:, :SIDE, :SIDE].permute(1, 2, 0).float())


def test_offsets_go_beyond_2_to_the_31() -> None:
    """Without the memory: the place of a byte is computed in 64 bits."""
    rows = np.arange(12_000)
    held = DevicePixels.__new__(DevicePixels)
    held.rows, held.device, held.sizes = rows, torch.device("cpu"), np.full((12_000, 2), 256)
    held.first, held.pixels = rows * 256 * 256, torch.zeros(0)
    crop = DeviceReader(held, rows, 4, FILL)
    asked: list[Tensor] = []

    class Pixels:
        def __getitem__(self, index: Tensor) -> Tensor:
            asked.append(index)
            return torch.zeros((*index.shape, 3), dtype=torch.uint8)

    crop.pixels = Pixels()  # pyright: ignore[reportAttributeAccessIssue]
    crop(torch.tensor([11_999]), torch.tensor([view(252, 252, 4, 4)]))
    assert max(int(index.max()) for index in asked) == 12_000 * 256 * 256 - 1
    assert 12_000 * 256 * 256 * 3 > 2**31
