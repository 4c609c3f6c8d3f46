"""Image files to RGB, upright: odd files are read right, broken ones raise the reason. Torch-free."""

import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import NamedTuple

import numpy as np
from PIL import Image
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.PpmImagePlugin import PpmImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from lossbench.data.images.room import room_for
from lossbench.errors import one_line

ENDINGS = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "PNG": (".png",),
    "GIF": (".gif",),
    "WEBP": (".webp",),
    "BMP": (".bmp", ".dib"),
    "TIFF": (".tif", ".tiff"),
    "PPM": (".ppm", ".pgm", ".pnm"),
}
MAX_PIXELS = 178_956_970  # where PIL refuses a decompression bomb; it warns at half of it
STRIP = 2**22  # pixels converted at a time: whole images would be in memory up to three times
MAX_RATIO = 200  # of the longer side to the shorter one
# PIL's own Image.open would try its other kinds too, one of which starts Ghostscript, and warns of large images.
_SIGNATURES: tuple[tuple[bytes, Callable[[BytesIO], ImageFile]], ...] = (
    (b"\xff\xd8\xff", JpegImageFile),
    (b"\x89PNG\r\n\x1a\n", PngImageFile),
    (b"GIF8", GifImageFile),
    (b"RIFF", WebPImageFile),
    (b"BM", BmpImageFile),
    *((mark, PpmImageFile) for mark in (b"P5", b"P6")),
    *((mark, TiffImageFile) for mark in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")),
)
_GREY_16 = ("I;16", "I;16L", "I;16B", "I;16N")
_MODES = {"1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", *_GREY_16}
_TURN = {number: Image.Transpose(method) for number, method in zip(range(2, 9), (0, 3, 1, 5, 4, 6, 2), strict=True)}
_ORIENTATION = 0x0112
_QUIET = threading.Lock()


class Description(NamedTuple):
    """An image that can be read: height and width in pixels, upright, >= 1; a note of what is unusual, or ''."""

    height: int
    width: int
    note: str


def read_rgb(data: bytes) -> np.ndarray:
    """Decode an image of any kind as RGB, upright; of an animation the first frame.

    Args:
        data: the content of a JPEG, PNG, GIF, WebP, BMP, TIFF or PPM file; a file's name plays no part.

    Returns:
        uint8 (height, width, 3); 16-bit greyscale is scaled, an alpha channel is dropped.

    Raises:
        ValueError: why it cannot be read, in a few words.
    """
    image: Image.Image = _open(data)
    _load(image)
    image = _upright(image, _orientation(image))
    pixels = np.empty((image.height, image.width, 3), np.uint8)
    for top in range(0, image.height, rows := max(1, STRIP // image.width)):
        strip = image.crop((0, top, image.width, min(top + rows, image.height)))
        pixels[top : top + rows] = np.asarray(_to_rgb(strip))
    return pixels


def describe(data: bytes, name: str) -> Description:
    """Check that all of an image can be read, as fast as that can be known, and say what is unusual about it.

    Args:
        data: the content of a file.
        name: the file's name; its ending tells what should be inside.

    Returns:
        Size and note, e.g. Description(375, 500, "PNG inside, greyscale").

    Raises:
        ValueError: as `read_rgb` of the same data.
    """
    image = _open(data)
    size, notes = image.size, [*_inside(image, name, data), *_pixels(image)]
    turns = {image.tag_v2.get(_ORIENTATION)} if isinstance(image, TiffImageFile) else set()  # loading turns a TIFF
    image.draft("L", (1, 1))  # a JPEG an eighth of the size without colours: every byte is read all the same
    with room_for(0 if _is_read_in_rows(image) else size[0] * size[1]):
        _load(image)
    turn = _orientation(image)
    width, height = size if isinstance(image, JpegImageFile) else image.size
    width, height = (height, width) if turn >= 5 else (width, height)
    notes += ["rotated by EXIF"] * any(number in _TURN for number in (*turns, turn))
    notes += [f"{width} x {height} pixels"] * (min(width, height) == 1)
    return Description(height, width, ", ".join(notes))


def _open(data: bytes) -> ImageFile:
    """Read the header, which decides about kind, size and pixel mode."""
    if not data:
        raise ValueError("empty file")
    kind = next((kind for mark, kind in _SIGNATURES if data.startswith(mark)), None)
    if kind is None or (kind is WebPImageFile and data[8:12] != b"WEBP"):
        raise ValueError(f"not an image (begins with {data[:8]!r}); JPEG, PNG, GIF, WebP, BMP, TIFF and PPM are read")
    with _reasons(), _quiet():
        image = kind(BytesIO(data))
        if isinstance(image, TiffImageFile):
            image.getexif()  # now, while warnings of damaged tags are quiet
    _check_header(image)
    return image


def _check_header(image: ImageFile) -> None:
    if image.width * image.height > MAX_PIXELS:
        raise ValueError(f"too large: {image.width} x {image.height} pixels, at most {MAX_PIXELS:,} are read")
    if max(image.size) > MAX_RATIO * min(image.size):  # with 256 pixels on its shorter side it would fill the memory
        raise ValueError(f"too thin: {image.width} x {image.height} pixels, at most {MAX_RATIO} to 1 is read")
    if image.mode not in _MODES and not _old_grey_16(image):
        raise ValueError(f"pixel mode {image.mode} is not supported")


def _is_read_in_rows(image: ImageFile) -> bool:
    """Whether loading a reduced image takes the memory of that alone; a progressive JPEG is held whole all the same."""
    return isinstance(image, JpegImageFile) and "progressive" not in image.info


def _load(image: ImageFile) -> None:
    with _reasons():
        image.load()


@contextmanager
def _reasons() -> Iterator[None]:
    """Shorten PIL's message about a broken file."""
    try:
        yield
    except Exception as error:  # PIL raises some ten kinds of errors on damaged data
        if "truncated" in str(error).lower():
            raise ValueError("truncated: the file ends before the image does") from error
        internal = ("unpack", "index out of range", "not identified", "argument")
        why = "the header is incomplete" if any(word in str(error) for word in internal) else one_line(error)[:100]
        raise ValueError(f"truncated or damaged: {why}") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep PIL from printing warnings; one thread at a time, because the filters belong to the process."""
    with _QUIET, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode in _GREY_16 or image.mode == "I":
        image = Image.fromarray(((np.asarray(image).astype(np.uint32) + 128) // 257).astype(np.uint8))
    if image.mode in ("P", "PA"):
        image = image.convert("RGBA")  # straight to RGB, PIL would warn about transparency
    return image.convert("RGB")


def _old_grey_16(image: ImageFile) -> bool:
    return image.mode == "I" and image.format == "PNG"  # what older PIL makes of 16-bit greyscale


def _orientation(image: Image.Image) -> int:
    """EXIF's number for how a loaded image has to be turned; 1 where there is none or it is damaged."""
    with _quiet():
        try:
            number = image.getexif().get(_ORIENTATION, 1)
        except Exception:  # damaged EXIF is no reason not to read the pixels
            return 1
    return number if number in _TURN else 1


def _upright(image: Image.Image, orientation: int) -> Image.Image:
    return image.transpose(_TURN[orientation]) if orientation in _TURN else image


def _inside(image: ImageFile, name: str, data: bytes) -> Iterator[str]:
    """Notes about the file."""
    kind = str(image.format)
    if not name.lower().endswith(ENDINGS[kind]):
        yield f"{kind} inside"
    frames = _frames(image, data)
    if frames > 1:
        yield f"{frames} frames, the first is read"


def _frames(image: ImageFile, data: bytes) -> int:
    with _quiet():
        try:  # counting moves a GIF and a TIFF to other frames: a second reader
            again = type(image)(BytesIO(data)) if isinstance(image, GifImageFile | TiffImageFile) else image
            return getattr(again, "n_frames", 1)
        except Exception:  # later frames are not wanted, so their damage does not matter
            return 1


def _pixels(image: ImageFile) -> Iterator[str]:
    """Notes about the pixels, before they are loaded."""
    mode = image.mode
    if mode in ("L", "LA", "La", *_GREY_16, "I"):
        yield "greyscale"
    names = {"1": "1-bit", "P": "palette", "PA": "palette", "CMYK": "CMYK"}
    if mode in names:
        yield names[mode]
    # How the file packs its pixels.
    raw = [tile[3] if isinstance(tile[3], str) else (tile[3] or ("",))[0] for tile in image.tile]
    if any(";16" in str(packing) for packing in raw):
        yield "16-bit"
    if mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        yield "alpha channel dropped"
