"""Augmentation is paired: pixels are a function of (seed, epoch, position), whoever makes them, in whatever company."""

import random
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torchvision import transforms as v1
from torchvision.transforms import v2

from lossbench.data.augment import Augment
from lossbench.data.batch import Batch
from lossbench.data.images.fake import FakeImages
from lossbench.data.images.folder import ImageFolder
from lossbench.data.images.image_source import ImageSource
from lossbench.data.images.views import ImageDataset, ViewDataset
from lossbench.data.module import DataModule
from lossbench.data.order import Draw

SIDE, BATCH, STEPS = 12, 6, 7
EVERYTHING: dict[str, Any] = {"scale": (0.2, 1.0), "flip": 0.5, "erasing": 0.5}
JITTER = [v2.RandAugment(num_ops=2, magnitude=9), v2.ColorJitter(0.4, 0.4, 0.4, 0.1)]


class Dice:
    """An image of nothing but random numbers: what the generators give to a transform."""

    def __call__(self, image: Tensor) -> Tensor:
        return torch.randint(0, 256, image.shape, dtype=torch.uint8)


def fake(folder: Path, **settings: Any) -> FakeImages:
    sizes = {"classes": 3, "n_train": 22, "n_val": 9, "n_test": 7, "height": 20, "width": 27}
    return FakeImages(cache_dir=str(folder / "cache"), image_size=SIDE, resize=15, **{**sizes, **settings})


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> ImageFolder:
    """JPEG and PNG files of many sizes, lying, grey and for print ones among them."""
    root, rng = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    for label in ("cat", "dog", "é"):
        (root / "images" / label).mkdir(parents=True)
        for i in range(12):
            pixels = np.kron(
                rng.integers(0, 256, (4, 5, 3)), np.ones((int(rng.integers(3, 9)), int(rng.integers(3, 9)), 1))
            )
            image = Image.fromarray(pixels.astype(np.uint8)).convert({3: "L", 4: "CMYK"}.get(i, "RGB"))
            exif = Image.Exif()
            exif[0x0112] = 6 if i == 5 else 1
            image.save(root / "images" / label / (f"{i}.png" if i in (3, 6, 7) else f"{i}.jpg"), exif=exif)
    return ImageFolder(root=str(root / "images"), cache_dir=str(root / "cache"), image_size=SIDE, resize=15)


@pytest.fixture(params=["fake", "files"])
def source(request: pytest.FixtureRequest, photos: ImageFolder, tmp_path: Path) -> ImageSource:
    return photos if request.param == "files" else fake(tmp_path)


def module(source: ImageSource, augment: Augment | None = None, **settings: Any) -> DataModule:
    return DataModule(source, augment=augment, **{"seed": 3, "batch_size": BATCH, "steps_per_epoch": STEPS, **settings})


def place(data: DataModule, rank: int, world: int) -> DataModule:
    """As one of several processes."""
    data.trainer = SimpleNamespace(  # pyright: ignore[reportAttributeAccessIssue] - all that is asked of it
        global_rank=rank, world_size=world, strategy=SimpleNamespace(root_device=torch.device("cpu"))
    )
    return data


def training(source: ImageSource, augment: Augment | None, **settings: Any) -> ImageDataset:
    data = module(source, augment, **settings).dataset("train", training=True)
    assert isinstance(data, ImageDataset)
    return data


def same(ours: Any, theirs: Any) -> bool:
    ours, theirs = list(ours), list(theirs)
    return len(ours) == len(theirs) and all(
        torch.equal(a, b)
        for x, y in zip(ours, theirs, strict=True)
        for a, b in zip(x.tensors(), y.tensors(), strict=True)
    )


def share_that_differs(ours: Tensor, theirs: Tensor) -> float:
    return (ours != theirs).flatten(1).any(1).float().mean().item()


# -- the same whoever makes them


@pytest.fixture(params=["plain", "transforms"])
def augment(request: pytest.FixtureRequest) -> Augment:
    return Augment(**EVERYTHING, transforms=JITTER if request.param == "transforms" else ())


@pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")  # more workers than cores
def test_workers_change_no_pixel(source: ImageSource, augment: Augment) -> None:
    """Two epochs that end inside a pass over the data."""

    def epochs(workers: int) -> list[Batch]:
        data = module(source, augment, num_workers=workers)
        loader = data.train_dataloader()
        return [*loader, *loader, *data.val_dataloader()]

    alone = epochs(0)
    assert len(alone) == 2 * STEPS + 1
    for workers in (1, 3):
        assert same(alone, epochs(workers))


def test_workers_that_start_from_nothing_change_no_pixel(photos: ImageFolder) -> None:
    """Python 3.14 starts processes through a fork server: everything must travel as a pickle."""
    augment = Augment(**EVERYTHING, transforms=JITTER)
    loader = module(photos, augment, num_workers=1).train_dataloader()
    loader.multiprocessing_context = "forkserver"
    assert same(loader, module(photos, augment).train_dataloader())


def test_two_processes_make_the_pixels_of_one(source: ImageSource, augment: Augment) -> None:
    whole = list(module(source, augment).train_dataloader())
    shares = [list(place(module(source, augment), rank, 2).train_dataloader()) for rank in (0, 1)]
    for batch, *parts in zip(whole, *shares, strict=True):
        theirs = {int(p): image for part in parts for p, image in zip(part.position, part.inputs, strict=True)}
        assert len(theirs) == len(batch.position) == BATCH
        assert all(torch.equal(theirs[int(p)], image) for p, image in zip(batch.position, batch.inputs, strict=True))


def test_parts_of_a_batch_have_the_pixels_of_the_whole(photos: ImageFolder) -> None:
    augment = Augment(**EVERYTHING)
    whole = list(module(photos, augment).train_dataloader())
    parts = list(module(photos, augment, accumulate=2).train_dataloader())
    assert len(parts) == 2 * len(whole)
    for i, batch in enumerate(whole):
        theirs = {
            int(p): image
            for part in parts[2 * i : 2 * i + 2]
            for p, image in zip(part.position, part.inputs, strict=True)
        }
        assert all(torch.equal(theirs[int(p)], image) for p, image in zip(batch.position, batch.inputs, strict=True))


def test_a_loader_is_freed_at_once(photos: ImageFolder) -> None:
    """The garbage collector closes the queues of its workers first, and waits 10 s for each worker."""
    data = module(photos, None)
    loader = weakref.ref(data.train_dataloader())
    assert loader() is None


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("done", [2, 5, 9])
def test_a_resumed_run_sees_the_pixels_it_would_have_seen(
    source: ImageSource, augment: Augment, done: int, workers: int
) -> None:
    """Stopped in the first pass over the data, in the second, and in the second epoch."""
    loader = module(source, augment).train_dataloader()
    whole = [*loader, *loader]
    interrupted = module(source, augment, num_workers=workers)
    loader = interrupted.train_dataloader()
    if done > STEPS:
        list(loader)
    list(islice(loader, done % STEPS))
    resumed = module(source, augment, num_workers=workers)
    resumed.load_state_dict(interrupted.state_dict())
    assert same(resumed.train_dataloader(), whole[done : STEPS if done < STEPS else 2 * STEPS])


def test_an_image_is_the_same_in_any_company(source: ImageSource, augment: Augment) -> None:
    data = training(source, augment)
    many = data.__getitems__(Draw(range(16), 4)).inputs
    for order in ([15, 3], [3], [0, 15, 3, 7]):
        assert torch.equal(data.__getitems__(Draw(order, 4)).inputs, many[order])


def test_the_loss_plays_no_part(photos: ImageFolder) -> None:
    """Settings that act on targets, or later, leave the pixels alone."""
    plain = training(photos, Augment(**EVERYTHING)).__getitems__(Draw(range(16), 1)).inputs
    soft = training(photos, Augment(**EVERYTHING, mixup=0.2, cutmix=1.0, label_smoothing=0.1), channels_last=True)
    assert torch.equal(soft.__getitems__(Draw(range(16), 1)).inputs, plain)


@pytest.mark.parametrize("change", ["epoch", "seed"])
@pytest.mark.parametrize(
    "settings",
    [EVERYTHING, {"scale": (0.2, 0.9)}, {"flip": 0.5}, {"erasing": 0.5}, {"transforms": [Dice()]}],
    ids="-".join,
)
def test_another_epoch_or_seed_gives_other_pixels(settings: dict[str, Any], change: str, tmp_path: Path) -> None:
    source, augment = fake(tmp_path), Augment(**settings)
    first = training(source, augment).__getitems__(Draw(range(22), 0)).inputs
    if change == "epoch":
        other = training(source, augment).__getitems__(Draw(range(22), 1)).inputs
    else:
        other = training(source, augment, seed=4).__getitems__(Draw(range(22), 0)).inputs
    assert share_that_differs(first, other) >= (0.2 if settings in ({"flip": 0.5}, {"erasing": 0.5}) else 0.95)


def test_the_order_of_training_says_which_epoch_it_is(tmp_path: Path) -> None:
    """Pixels change with every pass over the data, also where an epoch has several passes."""
    batches = list(module(fake(tmp_path), Augment(transforms=[Dice()]), steps_per_epoch=9).train_dataloader())
    images: dict[int, list[bytes]] = {}
    for batch in batches:
        for p, image in zip(batch.position.tolist(), batch.inputs, strict=True):
            images.setdefault(p, []).append(image.numpy().tobytes())
    assert {len(seen) for seen in images.values()} >= {2, 3}
    assert all(len(set(seen)) == len(seen) for seen in images.values())


# -- transforms


@pytest.fixture
def generators() -> Iterator[None]:
    """The global generators must be where they were."""
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy()
    yield
    assert torch.equal(torch.get_rng_state(), before[0])
    assert random.getstate() == before[1]
    assert np.array_equal(np.random.get_state()[1], before[2])


@pytest.mark.usefixtures("generators")
def test_the_global_generators_are_left_alone(source: ImageSource) -> None:
    older = v1.RandomOrder([v1.RandomHorizontalFlip(), v1.ColorJitter(0.3), v1.RandomRotation(20)])
    training(source, Augment(**EVERYTHING, transforms=[*JITTER, older])).__getitems__(Draw(range(9), 2))


def test_the_global_generators_play_no_part(photos: ImageFolder) -> None:
    """torchvision's older transforms draw from Python's generator."""
    older = [v1.RandomOrder([v1.RandomSolarize(128, p=1.0), v1.RandomPosterize(2, p=1.0), v1.ColorJitter(0.9)])]
    older += [v1.RandomChoice([v1.RandomInvert(p=1.0), v1.RandomRotation(90), v1.RandomHorizontalFlip(1.0)])]
    data = training(photos, Augment(transforms=[*JITTER, *older]))
    seen = []
    state, pythons = torch.get_rng_state(), random.getstate()
    for seed in range(5):
        torch.manual_seed(seed)
        random.seed(seed)
        seen.append(data.__getitems__(Draw(range(16), 2)).inputs)
    torch.set_rng_state(state)
    random.setstate(pythons)
    assert all(torch.equal(images, seen[0]) for images in seen)


def test_every_image_has_its_own_random_numbers_for_transforms(tmp_path: Path) -> None:
    images = training(fake(tmp_path), Augment(transforms=[Dice()])).__getitems__(Draw(range(22), 0)).inputs
    assert len({image.numpy().tobytes() for image in images}) == 22


@pytest.mark.usefixtures("generators")
@pytest.mark.parametrize(
    "wrong", [v2.ToDtype(torch.float32), v2.Grayscale(1), v2.CenterCrop(5)], ids=["dtype", "channels", "size"]
)
def test_a_transform_that_makes_something_else_is_refused(wrong: Any, tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"^augment.transforms must keep uint8 images of shape \(3, 12, 12\), got .*\)$"
    ):
        training(fake(tmp_path), Augment(transforms=[wrong])).__getitems__([0])


@pytest.mark.usefixtures("generators")
def test_a_transform_that_fails_leaves_the_generators_alone(tmp_path: Path) -> None:
    def fail(image: Tensor) -> Tensor:
        raise RuntimeError(f"no {torch.rand(1)} {random.random()}")

    with pytest.raises(RuntimeError, match="no tensor"):
        training(fake(tmp_path), Augment(transforms=[fail])).__getitems__([0])


def test_transforms_come_after_crop_and_flip_and_before_erasing(tmp_path: Path) -> None:
    source, seen = fake(tmp_path), []
    recorder = training(
        source,
        Augment(scale=(0.2, 1.0), flip=0.5, erasing=1.0, transforms=[lambda image: seen.append(image) or image * 0]),
    )
    black = recorder.__getitems__(Draw(range(22), 0)).inputs
    plain = training(source, Augment(scale=(0.2, 1.0), flip=0.5)).__getitems__(Draw(range(22), 0)).inputs
    assert torch.equal(torch.stack(seen).permute(0, 2, 3, 1), plain)
    assert all((image == 0).any() and (image != 0).any() for image in black)


# -- the right pixels


@dataclass(frozen=True)
class Reference:
    """torchvision's views of an image."""

    image: Tensor

    def evaluated(self, shorter: int, side: int) -> Tensor:
        return v2.functional.center_crop(
            v2.functional.resize(self.image, [shorter], antialias=True), [side, side]
        ).permute(1, 2, 0)

    def cropped(self, box: list[int], side: int) -> Tensor:
        return v2.functional.resized_crop(self.image, *box, [side, side], antialias=True).permute(1, 2, 0)


def references(source: ImageSource, stage: str) -> list[Reference]:
    pictures = module(source).reader(stage)
    return [Reference(pictures.read(i).contiguous()) for i in range(len(pictures.sizes))]


@pytest.mark.parametrize(
    "sizes", [(20, 27, 15, 12), (27, 20, 15, 12), (16, 16, 13, 8), (9, 31, 8, 8), (40, 61, 21, 20)], ids=str
)
def test_evaluation_sees_what_torchvision_would_show(sizes: tuple[int, int, int, int], tmp_path: Path) -> None:
    height, width, resize, side = sizes
    source = FakeImages(
        cache_dir=str(tmp_path),
        classes=2,
        n_train=2,
        n_val=5,
        n_test=2,
        height=height,
        width=width,
        resize=resize,
        image_size=side,
    )
    (batch,) = module(source).val_dataloader()
    assert torch.equal(
        batch.inputs, torch.stack([image.evaluated(resize, side) for image in references(source, "val")])
    )
    assert batch.inputs.dtype == torch.uint8


def test_evaluation_of_files_sees_what_torchvision_would_show(photos: ImageFolder) -> None:
    (batch,) = module(photos, Augment(**EVERYTHING)).test_dataloader()  # augmentation is for training alone
    assert torch.equal(batch.inputs, torch.stack([image.evaluated(15, SIDE) for image in references(photos, "test")]))
    assert torch.equal(batch.target, torch.from_numpy(photos.splits["test"].targets))


def test_training_without_random_crops_sees_what_evaluation_sees(photos: ImageFolder) -> None:
    for augment in (None, Augment()):
        images = training(photos, augment).__getitems__(Draw(range(16), 5)).inputs
        assert torch.equal(
            images, torch.stack([image.evaluated(15, SIDE) for image in references(photos, "train")[:16]])
        )


def test_a_random_crop_is_torchvisions_resized_crop(source: ImageSource) -> None:
    data = training(source, Augment(scale=(0.05, 1.0)))
    views = data.views.choose(list(range(16)), 6)
    expected = [
        image.cropped(box, SIDE) for image, box in zip(references(source, "train"), views[:, :4].tolist(), strict=False)
    ]
    assert torch.equal(data.__getitems__(Draw(range(16), 6)).inputs, torch.stack(expected))
    assert len(np.unique(views[:, 2:4], axis=0)) > 8


@pytest.mark.parametrize("scale", [None, (0.2, 1.0)])
def test_flips_mirror_left_and_right(scale: Any, photos: ImageFolder) -> None:
    never, always, half = (training(photos, Augment(scale=scale, flip=flip)) for flip in (0.0, 1.0, 0.5))
    plain, mirrored = (data.__getitems__(Draw(range(16), 0)).inputs for data in (never, always))
    assert torch.equal(mirrored, plain.flip(2))
    positions = list(range(len(half))) * 40
    chosen = np.concatenate([half.views.choose(positions[: len(half)], epoch)[:, 4] for epoch in range(100)])
    assert abs(chosen.mean() - 0.5) < 5 * 0.5 / len(chosen) ** 0.5
    flips = torch.from_numpy(half.views.choose(list(range(16)), 0)[:, 4]).bool()[:, None, None, None]
    assert torch.equal(half.__getitems__(Draw(range(16), 0)).inputs, torch.where(flips, mirrored, plain))


@pytest.mark.parametrize("scale", [None, (0.2, 1.0)])
def test_what_is_erased_has_the_mean_colour_and_the_rest_is_kept(scale: Any, tmp_path: Path) -> None:
    source = fake(tmp_path, mean=(0.2, 0.5, 0.9))
    plain, erased = (training(source, Augment(scale=scale, flip=0.5, erasing=erasing)) for erasing in (0.0, 1.0))
    for before, after, view in zip(
        plain.__getitems__(Draw(range(22), 0)).inputs,
        erased.__getitems__(Draw(range(22), 0)).inputs,
        erased.views.choose(list(range(22)), 0).tolist(),
        strict=True,
    ):
        top, left, height, width = view[5:]
        expected = before.clone()
        expected[top : top + height, left : left + width] = torch.tensor([51, 128, 230], dtype=torch.uint8)
        assert torch.equal(after, expected)
        assert not torch.equal(after, before)


def test_one_setting_does_not_shift_the_numbers_of_another(photos: ImageFolder) -> None:
    """Runs that differ in a probability stay paired in everything else."""
    plain, more = (training(photos, Augment(**settings)) for settings in ({"scale": (0.2, 1.0)}, EVERYTHING))
    ours, theirs = (data.views.choose(list(range(16)), 2) for data in (plain, more))
    assert np.array_equal(ours[:, :4], theirs[:, :4])
    assert theirs[:, 4].any()
    assert not theirs[:, 4].all()


def test_views_for_the_device_are_those_of_the_images(photos: ImageFolder) -> None:
    augment = Augment(**EVERYTHING)
    images = training(photos, augment, cache="disk")
    views = module(photos, augment, cache="gpu").dataset("train", training=True)
    assert isinstance(views, ViewDataset)
    batch = views.__getitems__(Draw([4, 1, 9], 3))
    assert np.array_equal(batch.inputs.numpy(), images.views.choose([4, 1, 9], 3))
    assert batch.position.tolist() == [4, 1, 9]
    assert torch.equal(batch.target, images.__getitems__([4, 1, 9]).target)
    assert torch.equal(views[2:5].inputs, views.__getitems__([2, 3, 4]).inputs)


def test_a_slice_shows_epoch_0(photos: ImageFolder) -> None:
    data = training(photos, Augment(**EVERYTHING))
    assert same([data[3:6]], [data.__getitems__(Draw([3, 4, 5], 0))])
    assert len(data) == len(photos.splits["train"])
