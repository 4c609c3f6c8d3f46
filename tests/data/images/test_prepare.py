"""Preparing images as one module: the very pixels that evaluation sees, of any size."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from lossbench.data.augment import centre_boxes
from lossbench.data.images.prepare import Prepare, half_to_even
from lossbench.data.images.reader import shrunk

SIZES = ((375, 500), (32, 32), (31, 37), (33, 32), (64, 50), (1, 1), (1, 2), (20, 3000), (700, 33))


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("side", [27, 32])
def test_pixels_are_those_of_torchs_own_antialiased_resizing(interpolation: str, side: int) -> None:
    prepare = Prepare(side, 32, interpolation, (0, 0, 0), (1 / 255,) * 3)
    for height, width in SIZES:
        image = torch.randint(0, 256, (height, width, 3), dtype=torch.uint8)
        size = shrunk(np.array([[height, width]]), 32)
        top, left, *_ = centre_boxes(size, side)[0].tolist()
        resized = F.interpolate(image.permute(2, 0, 1)[None], size[0].tolist(), mode=interpolation, antialias=True)
        expected = resized[0, :, top : top + side, left : left + side]
        torch.testing.assert_close(prepare(image[None])[0].round().to(torch.uint8), expected, rtol=0, atol=0)


def test_a_half_is_rounded_as_the_centre_crop_rounds_it() -> None:
    assert [half_to_even(n) for n in range(50)] == [int(np.rint(n / 2)) for n in range(50)]
