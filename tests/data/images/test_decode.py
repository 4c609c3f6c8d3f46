"""Images of every kind end as upright RGB with the right pixels; what cannot be read says why."""

import subprocess
import sys
import zlib
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image, features

from lossbench.data.images.decode import MAX_PIXELS, Description, describe, read_rgb

RED = (255, 0, 0)


def encode(image: Image.Image, kind: str, **options: Any) -> bytes:
    out = BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def flat(mode: str, colour: Any, size: tuple[int, int] = (20, 10)) -> Image.Image:
    return Image.new(mode, size, colour)


def pixels(data: bytes) -> np.ndarray:
    image = read_rgb(data)
    assert (image.dtype, image.shape[2]) == (np.uint8, 3)
    return image.astype(int)


def gradient() -> Image.Image:
    """Every pixel different: red grows to the right, green downwards."""
    rows, columns = np.mgrid[0:10, 0:20]
    return Image.fromarray(np.stack([12 * columns, 20 * rows, 0 * rows], axis=-1).astype(np.uint8))


def palette(**info: Any) -> Image.Image:
    image = flat("RGB", RED).quantize(4)
    image.info.update(info)
    return image


def grey_16() -> Image.Image:
    return Image.fromarray(np.full((10, 20), 0x8080, np.uint16))


def huge(width: int, height: int) -> bytes:
    """A PNG that says in a few bytes that it is huge."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return len(content).to_bytes(4) + name + content + zlib.crc32(name + content).to_bytes(4)

    header = width.to_bytes(4) + height.to_bytes(4) + bytes([8, 2, 0, 0, 0])
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def ycck() -> bytes:
    """A CMYK JPEG as Photoshop writes it: luma, chroma and black, coded alike, so that the marker alone decides."""
    data = bytearray(encode(flat("CMYK", (90, 128, 128, 0)), "JPEG", quality=100, subsampling=0))
    at = data.index(b"Adobe")
    data[at + 11] = 2
    return bytes(data)


ODD = {
    "greyscale": (encode(flat("L", 100), "JPEG"), "a.jpg", (100, 100, 100), "greyscale"),
    "grey and alpha": (
        encode(flat("LA", (100, 7)), "PNG"),
        "a.png",
        (100, 100, 100),
        "greyscale, alpha channel dropped",
    ),
    "alpha": (encode(flat("RGBA", (*RED, 0)), "PNG"), "a.png", RED, "alpha channel dropped"),
    "palette": (encode(palette(), "PNG"), "a.png", RED, "palette"),
    "transparent palette": (
        encode(palette(), "PNG", transparency=b"\0\x80"),
        "a.png",
        RED,
        "palette, alpha channel dropped",
    ),
    "CMYK": (encode(flat("CMYK", (0, 255, 255, 0)), "JPEG", quality=100), "a.jpeg", RED, "CMYK"),
    "1-bit": (encode(flat("1", 1), "PNG"), "a.png", (255, 255, 255), "1-bit"),
    "16-bit grey": (encode(grey_16(), "PNG"), "a.png", (128, 128, 128), "greyscale, 16-bit"),
    "16-bit grey TIFF": (encode(grey_16(), "TIFF"), "a.tif", (128, 128, 128), "greyscale, 16-bit"),
    "PNG named .jpg": (encode(flat("RGB", RED), "PNG"), "a.jpg", RED, "PNG inside"),
    "GIF named .jpg": (
        encode(palette(), "GIF", save_all=True, append_images=[flat("RGB", "blue"), flat("RGB", "lime")]),
        "A.JPG",
        RED,
        "GIF inside, 3 frames, the first is read, palette",
    ),
    "WebP": (encode(flat("RGB", RED), "WEBP", lossless=True), "a.webp", RED, ""),
    "BMP": (encode(flat("RGB", RED), "BMP"), "a.bmp", RED, ""),
    "PPM": (encode(flat("RGB", RED), "PPM"), "a.ppm", RED, ""),
    "PGM": (encode(flat("L", 100), "PPM"), "a.pgm", (100, 100, 100), "greyscale"),
    "TIFF 160 wide": (encode(flat("RGB", RED, (160, 10)), "TIFF"), "a.tiff", RED, ""),
    "1 x 1": (encode(flat("RGB", RED, (1, 1)), "PNG"), "a.png", RED, "1 x 1 pixels"),
}


@pytest.mark.parametrize("case", ODD)
def test_odd_images_have_the_right_colour_and_a_note(case: str) -> None:
    data, name, colour, note = ODD[case]
    found = pixels(data)
    assert np.abs(found - colour).max() <= 1
    height, width, _ = found.shape
    assert describe(data, f"folder.png/{name}") == Description(height, width, note)


def test_cmyk_with_luma_and_chroma_is_told_from_plain_cmyk() -> None:
    plain = encode(flat("CMYK", (90, 128, 128, 0)), "JPEG", quality=100, subsampling=0)
    (reddish, *_), (grey, *_) = pixels(plain)[0], pixels(ycck())[0]
    assert reddish.max() - reddish.min() > 30
    assert grey.max() - grey.min() <= 4
    assert describe(ycck(), "a.jpg").note == "CMYK"


@pytest.mark.parametrize(("value", "expected"), [(0, 0), (257, 1), (65535, 255), (129, 1), (128, 0), (25700, 100)])
def test_16_bits_are_scaled_not_cut(value: int, expected: int) -> None:
    assert (pixels(encode(Image.fromarray(np.full((2, 2), value, np.uint16)), "PNG")) == expected).all()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_turns_the_picture(kind: str, orientation: int) -> None:
    turned = [
        lambda x: x, np.fliplr, lambda x: np.rot90(x, 2), np.flipud,
        lambda x: x.swapaxes(0, 1), lambda x: np.rot90(x, -1), lambda x: np.rot90(x, 2).swapaxes(0, 1), np.rot90,
    ][orientation - 1]  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encode(
        gradient(),
        kind,
        exif=exif,
        **{"WEBP": {"lossless": True}, "JPEG": {"quality": 100, "subsampling": 0}}.get(kind, {}),
    )
    expected = turned(np.asarray(gradient()).astype(int))
    assert np.abs(pixels(data) - expected).max() <= 6
    note = "rotated by EXIF" if orientation > 1 else ""
    height, width, _ = expected.shape
    assert describe(data, f"a.{kind}") == Description(height, width, note)


@pytest.mark.parametrize("exif", [b"Exif\0\0", b"Exif\0\0II*\0\x08\0\0\0\xff\xff\x12\x01\x03", b"Exif\0\0nonsense"])
def test_damaged_exif_does_not_matter(exif: bytes) -> None:
    data = encode(gradient(), "JPEG", exif=exif)
    assert describe(data, "a.jpg") == Description(10, 20, "")
    assert read_rgb(data).shape == (10, 20, 3)


PHOTO = Image.fromarray(np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8))
BROKEN = {
    "empty": (b"", r"^empty file$"),
    "text": (b"<html>404</html>", r"^not an image \(begins with b'<html>40'\)"),
    "PostScript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", r"^not an image \(begins with b'%!PS-Ado'\)"),
    "half a JPEG": (encode(PHOTO, "JPEG")[:2000], r"^truncated: the file ends before the image does$"),
    "half a progressive JPEG": (encode(PHOTO, "JPEG", progressive=True)[:2000], r"^truncated: "),
    "half a PNG": (encode(PHOTO, "PNG")[:5000], r"^truncated: "),
    "a JPEG's first bytes": (encode(PHOTO, "JPEG")[:30], r"^truncated: "),
    "a GIF's first bytes": (encode(palette(), "GIF")[:8], r"^truncated or damaged: the header is incomplete$"),
    "huge": (huge(20000, 20000), r"^too large: 20000 x 20000 pixels, at most 178,956,970 are read$"),
    "floating point": (encode(flat("F", 1.0), "TIFF"), r"^pixel mode F is not supported$"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_cannot_be_read_says_why(case: str) -> None:
    data, reason = BROKEN[case]
    for read in (read_rgb, lambda content: describe(content, "a.jpg")):
        with pytest.raises(ValueError, match=reason):
            read(data)


def test_large_images_below_the_limit_are_read_without_a_warning() -> None:
    side = 9500  # PIL warns from 89 million pixels
    assert side * side < MAX_PIXELS
    assert describe(encode(flat("1", 0, (side, side)), "PNG"), "a.png") == Description(side, side, "1-bit")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "PPM"])
def test_the_fast_check_and_the_full_decode_agree_on_damage(kind: str) -> None:
    assert kind != "WEBP" or features.check("webp")
    whole = encode(PHOTO.resize((24, 16)), kind)
    rng = np.random.default_rng(0)
    cases = [whole[:length] for length in range(0, len(whole), max(1, len(whole) // 80))]
    for _ in range(80):
        damaged = bytearray(whole)
        damaged[rng.integers(len(whole))] = rng.integers(256)
        cases.append(bytes(damaged))
    verdicts = []
    for data in cases:
        found = []
        for read in (read_rgb, lambda content: describe(content, "a")):
            try:
                read(data)
                found.append("")
            except ValueError as error:
                found.append(str(error))
        assert found[0] == found[1]
        verdicts.append(found[0])
    assert len({*verdicts}) >= 3
    assert all("\n" not in verdict and len(verdict) < 160 for verdict in verdicts)


def test_reading_images_needs_no_torch() -> None:
    modules = "lossbench.data.images.inspection, lossbench.data.images.lists"
    code = f"import sys, {modules}; sys.exit(bool({{'torch', 'tqdm', 'torchvision'}} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(("size", "read"), [((200, 1), True), ((1, 200), True), ((201, 1), False), ((2, 401), False)])
def test_an_image_that_would_grow_beyond_all_memory_is_refused(size: tuple[int, int], read: bool) -> None:
    buffer = BytesIO()
    Image.new("RGB", size).save(buffer, "PNG")
    if read:
        assert read_rgb(buffer.getvalue()).shape == (*size[::-1], 3)
    else:
        with pytest.raises(ValueError, match=rf"^too thin: {size[0]} x {size[1]} pixels, at most 200 to 1 is read$"):
            describe(buffer.getvalue(), "a.png")
