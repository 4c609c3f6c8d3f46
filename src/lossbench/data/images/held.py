"""Images that lie in memory as evaluation sees them, mirrored and erased a whole batch at once."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from lossbench.data.images.device import erased
from lossbench.data.images.views import ViewDataset, Views
from lossbench.data.split import Split


class HeldImages(ViewDataset):
    """The same pixels as `ImageDataset` gives of views that are centred and not transformed.

    Args:
        pixels: (N, side, side, 3) uint8, on a device.
        rows: where the images of the split are in them, (n,).
        split: the images' targets and weights.
        views: what is seen of each image.
        fill: the colour that replaces what is erased, uint8 (3,).
    """

    def __init__(self, pixels: Tensor, rows: Tensor, split: Split, views: Views, fill: np.ndarray) -> None:
        super().__init__(split, views)
        self.pixels, self.rows = pixels, rows
        self.fill = torch.from_numpy(fill).to(pixels.device)
        self.grid = torch.arange(views.side, device=pixels.device)

    def inputs(self, positions: list[int], views: np.ndarray, uses: Sequence[int]) -> Tensor:
        """Pick, mirror and erase: uint8 (b, side, side, 3)."""
        device = self.pixels.device
        chosen = self.rows[torch.tensor(positions, device=device)]
        images, seen = self.pixels.index_select(0, chosen), torch.from_numpy(views).to(device)
        images = torch.where(seen[:, 4, None, None, None] > 0, images.flip(2), images)
        if not views[:, 7].any():  # nothing is erased
            return images
        return torch.where(erased(seen, self.grid)[..., None], self.fill, images)
