"""What an array of inputs holds: images or numbers, and in which order their axes are. Torch-free."""

from collections.abc import Sequence
from hashlib import sha256

import numpy as np

from lossbench.data.numbered.named_arrays import NamedArrays
from lossbench.errors import some

KINDS = ("images", "features")
CHANNELS = (1, 3)


def kind_of_array(arrays: NamedArrays) -> str:
    """Say whether inputs are images: uint8 of two sides, of grey values or of 1 or 3 channels, first or last."""
    _, shape, dtype = arrays.inputs(arrays.first)
    pictures = len(shape) == 3 or (len(shape) == 4 and {shape[1], shape[3]} & {*CHANNELS})
    return "images" if dtype == np.uint8 and pictures else "features"


class NumberedArrays:
    """Images of some arrays, numbered from the first to the last.

    Args:
        arrays: uint8 (n, h, w, 1 or 3) each, of one size.
        notes: what was decided about them.
    """

    def __init__(self, arrays: Sequence[np.ndarray], notes: Sequence[str]) -> None:
        self.arrays, self.notes = arrays, notes
        self.starts = np.cumsum([0, *map(len, arrays)])
        self.size: tuple[int, int] = arrays[0].shape[1:3]

    def __len__(self) -> int:
        return int(self.starts[-1])

    def __getitem__(self, index: int) -> np.ndarray:
        """Give an image: uint8 (height, width, 3)."""
        part = int(np.searchsorted(self.starts, index, side="right")) - 1
        image = self.arrays[part][index - self.starts[part]]
        return np.array(np.broadcast_to(image, (*image.shape[:2], 3)), order="C")

    def describe(self) -> tuple[np.ndarray, np.ndarray]:
        """Give heights and widths, pixels, (n, 2), and a hash of the content of each image, (n,) text."""
        digests = [sha256(self[index].tobytes()).hexdigest()[:32] for index in range(len(self))]
        return np.tile(np.array(self.size), (len(self), 1)), np.array(digests)


def image_size(arrays: NamedArrays) -> tuple[int, int]:
    """Height and width of the images; none is read.

    Raises:
        ValueError: the inputs are no images.
    """
    name, shape, _ = arrays.inputs(arrays.first)
    height, width, _ = _axes(name, shape)
    return shape[height], shape[width]


def images_in(arrays: NamedArrays) -> NumberedArrays:
    """Give the images of all parts.

    Raises:
        ValueError: an array holds no images, or the parts have images of several sizes.
    """
    names = [arrays.inputs(part)[0] for part in arrays.layout.parts]
    found = [as_images(name, arrays.file.read(name)) for name in names]
    if len({images.shape[1:] for images in found}) > 1:
        shapes = ", ".join(f"{name} {images.shape}" for name, images in zip(names, found, strict=True))
        raise ValueError(f"path={arrays.path}: the images of all parts must have one size, got {shapes}")
    first = [name for name in names if _axes(name, arrays.file.header(name)[0])[0] == 2]
    return NumberedArrays(found, [f"{some(first)} has its channels first"] if first else [])


def _axes(name: str, shape: tuple[int, ...]) -> tuple[int, int, int | None]:
    """Which axes are the height, the width and, where there are any, the channels of images."""
    if len(shape) == 3:
        return 1, 2, None
    if len(shape) == 4 and shape[3] in CHANNELS:
        return 1, 2, 3
    if len(shape) == 4 and shape[1] in CHANNELS:
        return 2, 3, 1
    raise ValueError(
        f"kind=images: {name} must have shape (n, h, w), (n, h, w, 3) or (n, 3, h, w), got {shape}; use "
        "data.kind=features for what is no picture"
    )


def as_images(name: str, array: np.ndarray) -> np.ndarray:
    """Images as uint8 (n, h, w, 1 or 3)."""
    height, width, channels = _axes(name, array.shape)
    pixels = _bytes(name, array)
    return pixels[..., None] if channels is None else pixels.transpose(0, height, width, channels)


def _bytes(name: str, array: np.ndarray) -> np.ndarray:
    """Pixels as uint8; numbers in [0, 1] are brought to 0..255."""
    if array.dtype == np.uint8:
        return array
    low, high = float(array.min()), float(array.max())
    if array.dtype.kind in "bf" and low >= 0 and high <= 1:
        return np.rint(array * np.float32(255)).astype(np.uint8)
    if low >= 0 and high <= 255 and (np.rint(array) == array).all():
        return array.astype(np.uint8)
    raise ValueError(
        f"kind=images: {name} must hold whole numbers from 0 to 255, or numbers from 0 to 1, got {array.dtype} from "
        f"{low:g} to {high:g}"
    )


def numbers_in(arrays: NamedArrays) -> tuple[np.ndarray, list[str]]:
    """Give the numbers of all parts, float32 (n, D) or (n, C, h, w), and what was decided about them.

    Raises:
        ValueError: an array holds no finite numbers, or the parts have rows of several shapes.
    """
    names = [arrays.inputs(part)[0] for part in arrays.layout.parts]
    found = [_numbers(f"path={arrays.path}: {name}", arrays.file.read(name)) for name in names]
    if len({array.shape[1:] for array in found}) > 1:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in zip(names, found, strict=True))
        raise ValueError(f"path={arrays.path}: the rows of all parts must have one shape, got {shapes}")
    whole = np.concatenate(found)
    if whole.ndim == 3:
        return whole[:, None], [f"{some(names)} of shape (n, h, w) has one channel"]
    if whole.ndim == 4 and whole.shape[3] in CHANNELS and whole.shape[1] not in CHANNELS:
        return np.ascontiguousarray(whole.transpose(0, 3, 1, 2)), [f"{some(names)} has its channels last"]
    return whole, []


def _numbers(name: str, array: np.ndarray) -> np.ndarray:
    if array.dtype.kind not in "biuf" or array.ndim > 4:
        raise ValueError(
            f"{name} must hold numbers of shape (n, D), (n, h, w) or (n, C, h, w), got {array.dtype} {array.shape}"
        )
    numbers = (array[:, None] if array.ndim == 1 else array).astype(np.float32)
    missing = ~np.isfinite(numbers).reshape(len(numbers), -1).all(1)
    if missing.any():
        raise ValueError(
            f"{name} has {int(missing.sum()):,} rows with NaN, infinite or too large numbers, the first at "
            f"position {int(missing.argmax())}; leave them out, or fill them in"
        )
    return numbers
