"""Random crops are a function of (seed, epoch, position) alone, and torchvision's in distribution."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from torchvision.transforms import RandomResizedCrop, v2

from lossbench.data.augment import TRIES, Augment, centre_boxes, erase_boxes, random_boxes, uniforms
from lossbench.seeds import derive

SCALE, RATIO = (0.08, 1.0), (3 / 4, 4 / 3)
WORD = 2**64


def splitmix(seed: int, epoch: int, position: int, i: int) -> float:
    """The i-th number of a position, in whole numbers that never overflow."""
    z = (derive(seed, "augment", epoch) + (position * 2**16 + i + 1) * 0x9E3779B97F4A7C15) % WORD
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % WORD
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB % WORD
    return ((z ^ (z >> 31)) >> 11) / 2**53


def get_params(
    draws: list[float], height: int, width: int, scale: tuple[float, float], ratio: tuple[float, float]
) -> tuple[int, ...]:
    """torchvision's RandomResizedCrop.get_params, line by line, with numbers that are given."""
    areas, shapes, (down, right) = draws[:TRIES], draws[TRIES : 2 * TRIES], draws[2 * TRIES :]
    low, high = math.log(ratio[0]), math.log(ratio[1])
    for area, shape in zip(areas, shapes, strict=True):
        target_area = height * width * (scale[0] + (scale[1] - scale[0]) * area)
        aspect_ratio = math.exp(low + (high - low) * shape)
        w, h = round(math.sqrt(target_area * aspect_ratio)), round(math.sqrt(target_area / aspect_ratio))
        if 0 < w <= width and 0 < h <= height:
            return int(down * (height - h + 1)), int(right * (width - w + 1)), h, w
    if width / height < ratio[0]:
        w, h = width, round(width / ratio[0])
    elif width / height > ratio[1]:
        w, h = round(height * ratio[1]), height
    else:
        w, h = width, height
    return (height - h) // 2, (width - w) // 2, h, w


def draw(n: int, count: int = 2 * TRIES + 2, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((n, count))


def shapes_of(n: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(1, 600, (n, 2))


# -- random numbers


@pytest.mark.parametrize(
    ("seed", "epoch", "position"), [(0, 0, 0), (7, 3, 1), (2**31, 89, 1_281_166), (1, 10**6, 2**31)]
)
def test_numbers_are_splitmix64(seed: int, epoch: int, position: int) -> None:
    assert uniforms(seed, epoch, np.array([position]), 46).tolist() == [
        [splitmix(seed, epoch, position, i) for i in range(46)]
    ]


def test_numbers_do_not_depend_on_the_company_or_their_count() -> None:
    positions = np.random.default_rng(0).permutation(500)
    together = uniforms(3, 2, positions, 46)
    for i in (0, 17, 499):
        assert np.array_equal(uniforms(3, 2, positions[i : i + 1], 46)[0], together[i])
    assert np.array_equal(uniforms(3, 2, positions[::-1], 9), together[::-1, :9])


def test_every_seed_epoch_and_position_has_its_own_numbers() -> None:
    rows = [uniforms(seed, epoch, np.arange(50), 23) for seed in range(4) for epoch in range(4)]
    assert len(np.unique(np.concatenate(rows))) == 16 * 50 * 23


@pytest.mark.parametrize("axis", ["positions", "draws", "epochs"])
def test_numbers_are_uniform_and_uncorrelated(axis: str) -> None:
    """Mean, variance, tenths and neighbours of 1e5 numbers, within 5 standard errors."""
    if axis == "positions":
        u = uniforms(0, 0, np.arange(100_000), 1)[:, 0]
    elif axis == "draws":
        u = uniforms(0, 0, np.arange(2000), 50).ravel()
    else:
        u = np.concatenate([uniforms(0, epoch, np.arange(100), 1)[:, 0] for epoch in range(1000)])
    n = len(u)
    assert 0 <= u.min() < u.max() < 1
    assert abs(u.mean() - 1 / 2) < 5 * math.sqrt(1 / 12 / n)
    assert abs(u.var() - 1 / 12) < 5 * math.sqrt(1 / 180 / n)
    for lag in (1, 2, 50, 100):
        assert abs(np.corrcoef(u[:-lag], u[lag:])[0, 1]) < 5 / math.sqrt(n)
    tenths = np.histogram(u, 10, (0, 1))[0]
    assert np.abs(tenths - n / 10).max() < 5 * math.sqrt(n * 0.09)


# -- crops


@pytest.mark.parametrize(
    "limits", [(SCALE, RATIO), ((0.9, 1.0), (0.2, 5.0)), ((0.001, 0.01), (1.0, 1.0)), ((1.0, 1.0), RATIO)]
)
def test_crops_are_those_of_torchvision_from_the_same_numbers(limits: tuple[Any, Any]) -> None:
    draws, sizes = draw(2000), shapes_of(2000)
    boxes = random_boxes(draws, sizes, *limits)
    rows = zip(boxes.tolist(), draws.tolist(), sizes.tolist(), strict=True)
    assert all(tuple(box) == get_params(numbers, *size, *limits) for box, numbers, size in rows)


def test_the_twin_is_torchvision(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the test above compares with, against torchvision itself fed with the same numbers."""
    for seed in range(200):
        numbers = draw(1, seed=seed)[0].tolist()
        height, width = shapes_of(1, seed)[0].tolist()
        supply = iter([number for pair in zip(numbers[:TRIES], numbers[TRIES:-2], strict=True) for number in pair])

        class Empty:
            def __init__(self, supply: Any) -> None:
                self.supply = supply

            def uniform_(self, low: float, high: float) -> torch.Tensor:
                return torch.tensor(float(low) + (float(high) - float(low)) * next(self.supply), dtype=torch.float64)

        corner = iter(numbers[-2:])
        with monkeypatch.context() as patch:
            patch.setattr(torch, "empty", lambda *shape, supply=supply: Empty(supply))
            patch.setattr(
                torch, "randint", lambda low, high, size, corner=corner: torch.tensor(int(next(corner) * high))
            )
            theirs = RandomResizedCrop.get_params(torch.zeros(3, height, width), [*SCALE], [*RATIO])
        assert get_params(numbers, height, width, SCALE, RATIO) == theirs


def test_crops_stay_inside_and_within_the_limits() -> None:
    n = 20_000
    sizes = np.random.default_rng(2).integers(100, 600, (n, 2))
    top, left, h, w = random_boxes(draw(n), sizes, SCALE, RATIO).T
    assert min(top.min(), left.min()) >= 0
    assert (np.stack([top + h, left + w], axis=1) <= sizes).all()
    assert (h * w >= (np.sqrt(0.08 * sizes.prod(1)) - 1) ** 2).all()  # a side is rounded by half a pixel
    assert ((w + 0.5) / (h - 0.5) >= 3 / 4).all()
    assert ((w - 0.5) / (h + 0.5) <= 4 / 3).all()
    for corner, room in ((top, sizes[:, 0] - h), (left, sizes[:, 1] - w)):
        assert 0 in corner
        assert 0 in room - corner
        assert abs((corner / room.clip(1))[room > 20].mean() - 0.5) < 0.02


def test_crops_agree_with_torchvision_in_distribution() -> None:
    """Mean area, shape and place over 4000 crops of one image: within 4 standard errors of the difference."""
    height, width, n = 375, 500, 4000
    ours = random_boxes(uniforms(1, 0, np.arange(n), 2 * TRIES + 2), np.tile([height, width], (n, 1)), SCALE, RATIO)
    image = torch.zeros(1, height, width)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        theirs = np.array([RandomResizedCrop.get_params(image, [*SCALE], [*RATIO]) for _ in range(n)])

    def figures(boxes: np.ndarray) -> np.ndarray:
        top, left, h, w = boxes.T
        return np.stack(
            (h * w / (height * width), np.log(w / h), (h * w / (height * width)) ** 2, np.log(w / h) ** 2, top, left)
        )

    a, b = figures(ours), figures(theirs)
    error = np.sqrt((a.var(1) + b.var(1)) / n)
    assert (np.abs(a.mean(1) - b.mean(1)) < 4 * error).all()


@pytest.mark.parametrize(
    ("size", "box"),
    [
        ((1, 500), (0, 249, 1, 1)),
        ((500, 1), (249, 0, 1, 1)),
        ((1, 1), (0, 0, 1, 1)),
        ((30, 300), (0, 130, 30, 40)),
        ((301, 3), (148, 0, 4, 3)),
    ],
)
def test_extreme_shapes_lose_as_little_as_possible(size: tuple[int, int], box: tuple[int, ...]) -> None:
    """None of the ten tries fits: the largest crop of an allowed shape, in the middle."""
    boxes = random_boxes(draw(300), np.tile(size, (300, 1)), (0.9, 1.0), RATIO)
    assert set(map(tuple, boxes.tolist())) == {box}


def test_a_crop_of_no_pixel_is_drawn_again() -> None:
    boxes = random_boxes(draw(1000), np.full((1000, 2), 3), (1e-4, 0.3), RATIO)
    assert boxes[:, 2:].min() == 1


@pytest.mark.parametrize(
    ("size", "side", "corner"), [((256, 341), 224, (16, 58)), ((9, 12), 8, (0, 2)), ((11, 8), 8, (2, 0))]
)
def test_the_centre_is_where_torchvision_takes_it(size: tuple[int, int], side: int, corner: tuple[int, int]) -> None:
    """Halves are rounded to even, as Python does."""
    assert centre_boxes(np.array([size]), side).tolist() == [[*corner, side, side]]
    marked = torch.arange(math.prod(size)).view(1, *size)
    assert v2.functional.center_crop(marked, [side, side])[0, 0, 0].item() == corner[0] * size[1] + corner[1]


def test_erasing_hits_the_share_of_images_and_of_area_that_is_asked_for() -> None:
    n, side = 20_000, 64
    draws = draw(n, 2 * TRIES + 3)
    boxes = erase_boxes(draws, side, 0.3)
    hit = boxes[boxes[:, 2] > 0]
    assert abs(len(hit) / n - 0.3) < 5 * math.sqrt(0.21 / n)
    assert not boxes[draws[:, 0] >= 0.3].any()
    assert (hit[:, :2] + hit[:, 2:]).max() <= side
    assert hit.min() >= 0
    area = hit[:, 2] * hit[:, 3] / side**2
    assert (math.sqrt(0.02) - 1 / side) ** 2 <= area.min() < area.max() <= (math.sqrt(0.33) + 1 / side) ** 2
    assert abs(area.mean() - 0.175) < 0.005
    shape = hit[:, 3] / hit[:, 2]
    assert shape.min() < 1 / 3 < 3 < shape.max()
    assert abs(np.log(shape).mean()) < 0.05


@pytest.mark.parametrize(("probability", "share"), [(0.0, 0.0), (1.0, 1.0)])
def test_erasing_never_and_always(probability: float, share: float) -> None:
    assert (erase_boxes(draw(2000, 2 * TRIES + 3), 8, probability)[:, 2] > 0).mean() == share


# -- settings

REFUSED = {
    "scale": [
        (0.0, 1.0),
        (0.5, 0.2),
        (0.5, 1.1),
        (0.5,),
        0.5,
        "ab",
        (True, True),
        (0.1, float("nan")),
        (0.1, 0.2, 0.3),
    ],
    "ratio": [(0.0, 1.0), (2.0, 1.0), (1.0, float("inf")), None, (-1, 1)],
    "flip": [-0.1, 1.1, "0.5", None, True, float("nan")],
    "erasing": [-0.1, 1.1],
    "mixup": [-0.1, float("inf")],
    "cutmix": [-1, "1"],
    "label_smoothing": [1.0, -0.1],
    "transforms": [3, "RandAugment", [{"degrees": 10}], {"_target_": "x"}],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in REFUSED.items() for value in values])
def test_a_wrong_setting_is_named(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=rf"^{name} must be .* got ") as caught:
        Augment(**{name: value})
    assert "\n" not in str(caught.value)


def test_the_limits_themselves_are_allowed() -> None:
    Augment(scale=[1, 1], ratio=[0.5, 0.5], flip=1, erasing=1.0, transforms=[v2.RandAugment()])
    assert Augment().soft == ()
    assert Augment(mixup=0.2, label_smoothing=0.1).soft == ("mixup", "label_smoothing")
    assert Augment(cutmix=1).soft == ("cutmix",)
