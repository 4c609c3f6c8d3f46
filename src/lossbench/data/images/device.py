"""Images that live in device memory and are cropped there, each by its own view, a whole batch at once."""

import numpy as np
import torch
from torch import Tensor

from lossbench.data.images.cache_files import ImageCache, offsets_of
from lossbench.errors import UserError

CHUNK = 256 * 2**20
"""Bytes copied to the device at a time."""


class DevicePixels:
    """Rows of a cache on a device, which all splits share.

    Args:
        cache: the decoded images.
        rows: of it, rising, each once.
        device: where the pixels go.

    Raises:
        UserError: the device has no memory for them.
    """

    def __init__(self, cache: ImageCache, rows: np.ndarray, device: torch.device) -> None:
        require_room(device, cache.bytes_of(rows))
        self.rows, self.device = rows, device
        pixels, start = torch.empty(cache.bytes_of(rows), dtype=torch.uint8, device=device), 0
        for part in cache.chunks(rows, CHUNK):
            pixels[start : start + len(part)] = torch.from_numpy(part).to(device)
            start += len(part)
        self.pixels = pixels.view(-1, 3)
        self.first = offsets_of(cache.sizes[rows])[:-1] // 3
        self.sizes = cache.sizes[rows]


class DeviceReader:
    """The images of a split, on a device.

    Args:
        held: the pixels.
        rows: of the cache, for each position of the split, (n,).
        side: of the square that the model sees, pixels.
        fill: the colour that replaces what is erased, (3,), 0..255.
    """

    def __init__(self, held: DevicePixels, rows: np.ndarray, side: int, fill: Tensor) -> None:
        self.side, self.pixels = side, held.pixels
        place = np.searchsorted(held.rows, rows)
        self.first = torch.from_numpy(held.first[place]).to(held.device)
        self.sizes = torch.from_numpy(held.sizes[place]).to(held.device)
        self.fill = fill.to(held.device, torch.float32)
        self.grid = torch.arange(side, device=held.device)

    def __call__(self, position: Tensor, views: Tensor) -> Tensor:
        """Crop, mirror and erase: bilinear between the four nearest pixels.

        Args:
            position: (b,), in the split.
            views: (b, 9), see `Views`.

        Returns:
            (b, side, side, 3) float32, 0..255.
        """
        top, left, height, width, flip = (views[:, i, None] for i in range(5))
        y = self._along(top, height)
        x = self._along(left, width)
        x = torch.where(flip > 0, x.flip(1), x)
        image = self._bilinear(position, y, x, (top, height), (left, width))
        return torch.where(erased(views, self.grid)[..., None], self.fill, image)

    def _along(self, first: Tensor, length: Tensor) -> Tensor:
        """Where the output's pixel centres fall along one axis of the image: (b, side)."""
        return first + (self.grid + 0.5) * (length / self.side) - 0.5

    def _bilinear(
        self, position: Tensor, y: Tensor, x: Tensor, rows: tuple[Tensor, Tensor], columns: tuple[Tensor, Tensor]
    ) -> Tensor:
        base, width = self.first[position][:, None, None], self.sizes[position, 1][:, None, None]
        (y0, y1, fy), (x0, x1, fx) = _neighbours(y, *rows), _neighbours(x, *columns)

        def at(row: Tensor, column: Tensor) -> Tensor:
            return self.pixels[base + row[:, :, None] * width + column[:, None, :]].float()

        fy, fx = fy[:, :, None, None], fx[:, None, :, None]
        upper = at(y0, x0) * (1 - fx) + at(y0, x1) * fx
        lower = at(y1, x0) * (1 - fx) + at(y1, x1) * fx
        return upper * (1 - fy) + lower * fy


def erased(views: Tensor, grid: Tensor) -> Tensor:
    """Which pixels are erased: (b, side, side), of views (b, 9) and a grid 0..side - 1."""
    top, left, height, width = (views[:, i, None] for i in range(5, 9))
    rows = (grid >= top) & (grid < top + height)
    columns = (grid >= left) & (grid < left + width)
    return rows[:, :, None] & columns[:, None, :]


def _neighbours(place: Tensor, first: Tensor, length: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The pixels on both sides, kept inside the crop, and how far towards the second."""
    low = place.floor()
    last = first + length - 1
    clamp = lambda at: torch.maximum(torch.minimum(at, last), first)  # noqa: E731
    return clamp(low.long()), clamp(low.long() + 1), place - low


def require_room(device: torch.device, needed: int) -> None:
    """Refuse what a GPU has no memory for.

    Raises:
        UserError: fewer bytes are free, or kept by torch without being used.
    """
    if device.type != "cuda":
        return
    free = torch.cuda.mem_get_info(device)[0] + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    if needed > free:
        raise UserError(
            f"data.cache=gpu needs {needed / 1e9:.2f} GB of device memory, {free / 1e9:.2f} GB are free; use "
            "data.cache=disk"
        )
