"""What evaluation does to a decoded image, as one module of plain tensor operations that can leave as a file."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

BITS = 15
"""Of a filter's whole-number weights, sign left out: torch resizes uint8 images with 16-bit numbers."""
MOST_BITS = 22


def triangle(x: Tensor) -> Tensor:
    """Bilinear filter: max(0, 1 - |x|)."""
    return (1 - x.abs()).clamp(min=0)


def keys(x: Tensor) -> Tensor:
    """Bicubic filter of Keys 1981 with a = -1/2, as antialiased resizing takes it."""
    x = x.abs()
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return torch.where(x < 1, near, torch.where(x < 2, far, 0.0))


FILTERS: dict[str, tuple[int, Callable[[Tensor], Tensor]]] = {"bilinear": (1, triangle), "bicubic": (2, keys)}
"""Interpolation -> half the width of its filter, pixels, and the filter."""


class Prepare(nn.Module):
    """Resize, crop and normalise images as evaluation does, to the last bit of their uint8 pixels.

    torch's own antialiased resizing of uint8 images computes with whole numbers; the same sums stand here, because
    its operator cannot leave in an ONNX file.

    Args:
        side: of the square that the model sees, pixels.
        shorter: the images' shorter side before the centre crop, pixels.
        interpolation: bilinear or bicubic.
        mean: of the three channels, in [0, 1].
        std: of the three channels, > 0.
    """

    factor: Tensor
    shift: Tensor

    def __init__(
        self, side: int, shorter: int, interpolation: str, mean: Sequence[float], std: Sequence[float]
    ) -> None:
        super().__init__()
        self.side, self.shorter = side, shorter
        self.reach, self.filter = FILTERS[interpolation]
        mean_, std_ = torch.tensor(mean), torch.tensor(std)
        self.register_buffer("factor", (1 / (255 * std_)).view(3, 1, 1))
        self.register_buffer("shift", (-mean_ / std_).view(3, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        """Map uint8 images (n, height, width, 3) of any size to float32 (n, 3, side, side)."""
        height, width = images.shape[1:3]
        least: Any = torch.sym_min(height, width)  # while the module is exported, sizes are symbols
        wide = self._resample(images.permute(0, 3, 1, 2), 3, width, width * self.shorter // least)
        square = self._resample(wide, 2, height, height * self.shorter // least)
        return square.to(torch.float32) * self.factor + self.shift

    def _resample(self, images: Tensor, axis: int, old: int, new: int) -> Tensor:
        """Resize one axis from `old` to `new` pixels and keep the `side` in the middle."""
        index, weights, bits = self._taps(old, new, images.device)
        middle = torch.arange(self.side, device=images.device) + half_to_even(new - self.side)
        index, weights = index[middle], weights[middle]
        seen = images.index_select(axis, index.flatten()).to(torch.int32).unflatten(axis, index.shape)
        sums = (seen * weights.view(*index.shape, *[1] * (3 - axis))).sum(axis + 1, dtype=torch.int32)
        unit = torch.pow(2.0, bits)
        return ((sums.to(torch.float64) + unit / 2) / unit).floor().clamp(0, 255).to(torch.uint8)

    def _taps(self, old: int, new: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
        """The pixels that each new pixel is a weighted sum of.

        Returns:
            Their positions (new, K), their weights times 2^bits (new, K), and bits, a number in float64.
        """
        wide = torch.sym_max(old, new)
        scale = torch.full((), old, dtype=torch.float64, device=device) / new
        stretch = scale.clamp(min=1.0)
        centre = (torch.arange(new, dtype=torch.float64, device=device) + 0.5) * scale
        first = (centre - self.reach * stretch + 0.5).trunc().clamp(min=0)
        last = (centre + self.reach * stretch + 0.5).trunc().clamp(max=old)
        taps = 2 * ((self.reach * wide + new - 1) // new) + 1
        index = first[:, None] + torch.arange(taps, dtype=torch.float64, device=device)
        weights = torch.where(index < last[:, None], self.filter((index - centre[:, None] + 0.5) / stretch), 0.0)
        weights = weights / weights.sum(1, keepdim=True)
        bits = self._bits(weights.max())
        whole = weights * torch.pow(2.0, bits)
        whole = (whole + torch.where(whole < 0, -0.5, 0.5)).trunc().to(torch.int32)
        return index.clamp(max=old - 1).to(torch.int64), whole, bits

    def _bits(self, largest: Tensor) -> Tensor:
        """As many binary digits as the largest weight leaves room for."""
        powers = torch.pow(2.0, torch.arange(1, MOST_BITS + 1, dtype=torch.float64, device=largest.device))
        return ((largest * powers + 0.5).trunc() < 2**BITS).sum().to(torch.float64)


def half_to_even(whole: int) -> int:
    """Half of a whole number >= 0; of an odd one the even neighbour, as numpy.rint rounds."""
    half = whole // 2
    return half + (whole % 2) * (half % 2)
