"""Image files: good ones, odd ones that are read right, and bad ones with the reason in their message."""

import os
import zlib
from collections.abc import Iterable
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8))


def encode(image: Image.Image, kind: str, **options: Any) -> bytes:
    out = BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def jpeg(size: tuple[int, int] = (30, 20), orientation: int = 1, colour: Any = "red") -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encode(Image.new("RGB", size, colour), "JPEG", exif=exif)


def photos(root: Path, names: Iterable[str], size: tuple[int, int] = (12, 10)) -> None:
    """Write a small JPEG for each name below the root, its colour from the name: no two are alike."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(jpeg(size, colour=tuple(sha256(name.encode()).digest()[:3])))


def _header_only(width: int, height: int) -> bytes:
    """A PNG that says in a few bytes that it is huge."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return len(content).to_bytes(4) + name + content + zlib.crc32(name + content).to_bytes(4)

    header = width.to_bytes(4) + height.to_bytes(4) + bytes([8, 2, 0, 0, 0])
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


_CUT = "truncated: the file ends before the image does"
BAD = {
    "empty.jpg": (b"", "empty file"),
    "page.jpg": (
        b"<html>404</html>",
        "not an image (begins with b'<html>40'); JPEG, PNG, GIF, WebP, BMP, TIFF and PPM are read",
    ),
    "script.jpg": (
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        "not an image (begins with b'%!PS-Ado'); JPEG, PNG, GIF, WebP, BMP, TIFF and PPM are read",
    ),
    "old.heic": (
        b"\0\0\0\x18ftypheic",
        "not an image (begins with b'\\x00\\x00\\x00\\x18ftyp'); JPEG, PNG, GIF, WebP, BMP, TIFF and PPM are read",
    ),
    "half.jpg": (encode(NOISE, "JPEG")[:2000], _CUT),
    "half_progressive.jpg": (encode(NOISE, "JPEG", progressive=True)[:2000], _CUT),
    "half.png": (encode(NOISE, "PNG")[:5000], _CUT),
    "start.jpg": (encode(NOISE, "JPEG")[:30], _CUT),
    "start.gif": (encode(NOISE.quantize(4), "GIF")[:8], "truncated or damaged: the header is incomplete"),
    "huge.png": (_header_only(20000, 20000), "too large: 20000 x 20000 pixels, at most 178,956,970 are read"),
    "float.tif": (encode(Image.new("F", (20, 10), 1.0), "TIFF"), "pixel mode F is not supported"),
}
ODD = {
    "cmyk.jpg": (encode(Image.new("CMYK", (20, 10)), "JPEG"), "CMYK"),
    "grey.jpg": (encode(Image.new("L", (20, 10), 100), "JPEG"), "greyscale"),
    "png inside.jpg": (encode(Image.new("RGB", (20, 10)), "PNG"), "PNG inside"),
    "turned.jpg": (jpeg(orientation=6), "rotated by EXIF"),
    "one.png": (encode(Image.new("RGB", (1, 1)), "PNG"), "1 x 1 pixels"),
    "alpha.png": (encode(Image.new("RGBA", (20, 10)), "PNG"), "alpha channel dropped"),
    "film.gif": (
        encode(NOISE.quantize(4), "GIF", save_all=True, append_images=[Image.new("RGB", NOISE.size)]),
        "2 frames, the first is read, palette",
    ),
    "deep.png": (encode(Image.fromarray(np.full((10, 20), 0x8080, np.uint16)), "PNG"), "greyscale, 16-bit"),
    "bytes \udcff.jpg": (jpeg(), ""),  # a name that is not UTF-8
}


def write_odd(folder: Path) -> dict[str, str]:
    """Write what is odd but read right; gives the note on each name."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, (content, _) in ODD.items():
        (folder / name).write_bytes(content)
    return {name: note for name, (_, note) in ODD.items()}


def write_bad(folder: Path) -> dict[str, str]:
    """Write what cannot be read, a broken link, a folder and a pipe among it; gives the reason for each name."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, (content, _) in BAD.items():
        (folder / name).write_bytes(content)
    (folder / "gone.jpg").symlink_to(folder / "nothing.jpg")
    (folder / "folder.jpg").mkdir()
    os.mkfifo(folder / "pipe.jpg")
    special = {
        "gone.jpg": "does not exist (a broken link)",
        "folder.jpg": "is a directory",
        "pipe.jpg": "is not a regular file",
    }
    return {name: reason for name, (_, reason) in BAD.items()} | special
