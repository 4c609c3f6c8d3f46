"""Crops chosen by (seed, epoch, position), taken image by image or later on the device."""

import random
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from lossbench.data.augment import TRIES, Augment, centre_boxes, erase_boxes, random_boxes, uniforms
from lossbench.data.batch import Batch, BatchLabels
from lossbench.data.images.reader import Reader, resize, shrunk
from lossbench.data.images.room import room_for
from lossbench.data.order import uses_of
from lossbench.data.split import Split
from lossbench.seeds import derive

CROP, FLIP, ERASE = 2 * TRIES + 2, 1, 2 * TRIES + 3


class Views:
    """Choose for each image of a batch what is seen of it: (n, 9) integers.

    Columns 0..3 are top, left, height and width of the crop in the image's own pixels, 4 is 1 where it is mirrored,
    5..8 are top, left,
    height and width of what is erased afterwards.

    Args:
        sizes: heights and widths of the images, pixels, (n, 2).
        side: of the square that the model sees, pixels.
        shorter: the images' shorter side before a centre crop, pixels.
        seed: the run's.
        augment: None chooses what evaluation sees.
    """

    def __init__(self, sizes: np.ndarray, side: int, shorter: int, seed: int, augment: Augment | None) -> None:
        self.sizes, self.side, self.seed, self.augment = sizes, side, seed, augment
        self.resized = shrunk(sizes, shorter)

    @property
    def centred(self) -> bool:
        """Whether crops are those of evaluation, from the resized image."""
        return self.augment is None or self.augment.scale is None

    def choose(self, positions: Sequence[int], uses: Sequence[int] | int) -> np.ndarray:
        """Choose the views of a batch, by which use of its image each is, or all are."""
        index = np.asarray(positions)
        times = np.broadcast_to(uses, index.shape)
        views = np.empty((len(index), 9), dtype=np.int64)
        for use in np.unique(times).tolist():  # one, but where classes are drawn equally often
            views[times == use] = self._choose(index[times == use], use)
        return views

    def _choose(self, index: np.ndarray, use: int) -> np.ndarray:
        views = np.zeros((len(index), 9), dtype=np.int64)
        views[:, :4] = centre_boxes(self.resized[index], self.side)
        if self.augment is None:
            return views
        draws = self.draws(index, use, CROP + FLIP + ERASE)
        if self.augment.scale is not None:
            views[:, :4] = random_boxes(draws[:, :CROP], self.sizes[index], self.augment.scale, self.augment.ratio)
        views[:, 4] = draws[:, CROP] < self.augment.flip
        views[:, 5:] = erase_boxes(draws[:, CROP + FLIP :], self.side, self.augment.erasing)
        return views

    def draws(self, positions: np.ndarray, epoch: int, count: int) -> np.ndarray:
        """Draw `count` uniform numbers for each position: (n, count)."""
        return uniforms(self.seed, epoch, positions, count)


class ViewDataset(Dataset[Batch]):
    """The views alone, (b, 9), for images cropped on the device; a batch is a function of (seed, positions, uses).

    Args:
        split: the images' targets and weights.
        views: what is seen of each image.
    """

    def __init__(self, split: Split, views: Views) -> None:
        self.labels, self.views = BatchLabels(split), views

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: slice) -> Batch:
        """Give the examples of a slice (as evaluation sees them, or as a first use does)."""
        return self.__getitems__(list(range(len(self))[index]))

    def __getitems__(self, positions: list[int]) -> Batch:
        """Fetch a batch at once (the loader's fast path)."""
        uses = uses_of(positions)
        inputs = self.inputs(positions, self.views.choose(positions, uses), uses)
        return self.labels.batch(inputs, torch.tensor(positions))

    def inputs(self, positions: list[int], views: np.ndarray, uses: Sequence[int]) -> Tensor:
        """Give what a batch brings to the device."""
        return torch.from_numpy(views)


class ImageDataset(ViewDataset):
    """The images of a split, read and cropped: batches of uint8 (b, side, side, 3).

    Args:
        reader: where pixels come from.
        split: the images' targets and weights.
        views: what is seen of each image.
        fill: the colour that replaces what is erased, uint8 (3,).
        interpolation: how images are resized.
    """

    def __init__(
        self, reader: Reader, split: Split, views: Views, fill: np.ndarray, interpolation: str = "bilinear"
    ) -> None:
        super().__init__(split, views)
        self.reader, self.fill, self.interpolation = reader, torch.from_numpy(fill), interpolation

    def inputs(self, positions: list[int], views: np.ndarray, uses: Sequence[int]) -> Tensor:
        """Read and crop: uint8 (b, side, side, 3)."""
        side = self.views.side
        batch = torch.empty((len(positions), side, side, 3), dtype=torch.uint8)
        for row, position, view, use in zip(batch, positions, views.tolist(), uses, strict=True):
            row.copy_(self._one(position, view, use).permute(1, 2, 0))
        return batch

    def _one(self, position: int, view: list[int], use: int) -> Tensor:
        side = self.views.side
        top, left, height, width, flip, *erase = view
        with room_for(int(self.reader.sizes[position].prod())):
            image = self.reader.read(position)
            if self.views.centred:
                image = resize(image, *self.views.resized[position].tolist(), interpolation=self.interpolation)
            image = resize(image[:, top : top + height, left : left + width], side, side, self.interpolation)
        image = image.flip(2) if flip else image
        if self.views.augment and self.views.augment.transforms:
            image = self._transformed(image, derive(self.views.seed, "transforms", use, position))
        if erase[2]:
            image = image.clone()
            image[:, erase[0] : erase[0] + erase[2], erase[1] : erase[1] + erase[3]] = self.fill[:, None, None]
        return image

    def _transformed(self, image: Tensor, seed: int) -> Tensor:
        assert self.views.augment is not None
        # torchvision draws from the global generators (its older transforms from Python's), which are not ours here
        state, pythons = torch.default_generator.get_state(), random.getstate()
        torch.default_generator.manual_seed(seed)
        random.seed(seed)
        try:
            image = image.contiguous()
            for transform in self.views.augment.transforms:
                image = transform(image)
        finally:
            torch.default_generator.set_state(state)
            random.setstate(pythons)
        side = self.views.side
        if image.dtype != torch.uint8 or image.shape != (3, side, side):
            raise ValueError(
                f"augment.transforms must keep uint8 images of shape (3, {side}, {side}), got {image.dtype} "
                f"{tuple(image.shape)}"
            )
        return image
