"""Files become upright RGB pixels whichever library reads them; what changed after planning is named."""

import struct
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2

from lossbench.data.images import reader as pictures
from lossbench.data.images.decode import describe, read_rgb
from lossbench.data.images.fake import FakeImages
from lossbench.data.images.reader import FileReader, decode, is_plain_jpeg, reader_of, resize, shrunk

EXIF, APP2 = 0xE1, 0xE2


def photo(height: int = 32, width: int = 48) -> Image.Image:
    """Coloured blocks, every one different."""
    blocks = np.random.default_rng(0).integers(0, 256, (height // 8, width // 8, 3))
    return Image.fromarray(np.kron(blocks, np.ones((8, 8, 1))).astype(np.uint8))


def encode(image: Image.Image, kind: str = "JPEG", **options: Any) -> bytes:
    out = BytesIO()
    image.save(out, kind, **({"quality": 95} if kind == "JPEG" else {}) | options)
    return out.getvalue()


def segment(marker: int, content: bytes) -> bytes:
    return bytes((0xFF, marker)) + (len(content) + 2).to_bytes(2, "big") + content


def with_segments(data: bytes, *segments: bytes) -> bytes:
    """A JPEG with further segments after its first two bytes."""
    return data[:2] + b"".join(segments) + data[2:]


def exif(orientation: int, order: str = "<") -> bytes:
    ifd = struct.pack(f"{order}HHHIHHI", 1, 0x0112, 3, 1, orientation, 0, 0)
    return segment(EXIF, b"Exif\0\0" + (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, 8) + ifd)


def xmp(orientation: int | None) -> bytes:
    turn = "" if orientation is None else f' tiff:Orientation="{orientation}"'
    return segment(EXIF, f"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta><rdf:Description{turn}/></x:xmpmeta>".encode())


def upright(data: bytes) -> np.ndarray:
    return np.asarray(read_rgb(data)).astype(int)


def ours(data: bytes) -> np.ndarray:
    image = decode(data)
    assert image.dtype == torch.uint8
    return image.permute(1, 2, 0).numpy().astype(int)


@pytest.fixture
def through(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which library has read an image."""
    used: list[str] = []
    monkeypatch.setattr(pictures, "read_rgb", lambda content: used.append("Pillow") or read_rgb(content))
    return used


# -- decoding


@pytest.mark.parametrize("options", [{}, {"subsampling": 0}, {"progressive": True}, {"quality": 30}])
def test_jpeg_pixels_are_those_of_pillow(options: dict[str, Any], through: list[str]) -> None:
    noise = Image.fromarray(np.random.default_rng(1).integers(0, 256, (37, 53, 3), dtype=np.uint8))
    for image in (photo(), noise):
        data = encode(image, **options)
        assert np.abs(ours(data) - upright(data)).max() <= 2  # two builds of libjpeg may round differently
    assert not through


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P"])
def test_png_pixels_are_exact(mode: str, through: list[str]) -> None:
    data = encode(photo().convert(mode), "PNG")
    assert np.array_equal(ours(data), np.asarray(photo().convert(mode).convert("RGB")))
    assert through == ["Pillow"]


def test_greyscale_becomes_three_equal_channels(through: list[str]) -> None:
    data = encode(photo().convert("L"))
    image = ours(data)
    assert np.abs(image - upright(data)).max() <= 2
    assert (image == image[..., :1]).all()
    assert not through


def test_cmyk_is_read_by_pillow(through: list[str]) -> None:
    data = encode(photo().convert("CMYK"))
    image = ours(data)
    assert np.array_equal(image, upright(data))
    assert np.abs(image - np.asarray(photo()).astype(int)).mean() < 8  # not inverted
    assert through == ["Pillow"]


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("orientation", range(10))
def test_photographs_are_turned_upright_by_both_libraries(orientation: int, order: str, through: list[str]) -> None:
    """All orientations of EXIF and two that do not exist, against turns made with numpy."""
    data = with_segments(encode(photo(), subsampling=0), exif(orientation, order))
    lying = ours(encode(photo(), subsampling=0))
    turned = {
        2: lying[:, ::-1],
        3: lying[::-1, ::-1],
        4: lying[::-1],
        5: lying.transpose(1, 0, 2),
        6: np.rot90(lying, -1),
        7: np.rot90(lying, 2).transpose(1, 0, 2),
        8: np.rot90(lying),
    }.get(orientation, lying)
    assert np.abs(ours(data) - turned).max() <= 2
    assert not through
    assert np.abs(upright(data) - turned).max() <= 2


ODD_PLACES = {
    "XMP alone": [xmp(6)],
    "XMP, then EXIF": [xmp(None), exif(6)],
    "EXIF without orientation, then XMP": [segment(EXIF, b"Exif\0\0II" + struct.pack("<HIHI", 42, 8, 0, 0)), xmp(8)],
    "EXIF, then XMP without": [exif(6), xmp(None)],
    "two of EXIF": [exif(6), exif(3)],
    "a colour profile, then EXIF": [segment(APP2, b"ICC_PROFILE\0\1\1"), exif(6)],
}


@pytest.mark.parametrize("segments", ODD_PLACES.values(), ids=ODD_PLACES)
def test_the_orientation_is_found_wherever_it_was_when_the_run_was_planned(segments: list[bytes]) -> None:
    """Planning asks Pillow; training must see the same image."""
    data = with_segments(encode(photo()), *segments)
    image = ours(data)
    assert image.shape[:2] == describe(data, "a.jpg")[:2] == (48, 32)
    assert np.abs(image - upright(data)).max() <= 2


SOF = b"\xff\xc0\0\x0b\x08\0\x10\0\x10"
HEADERS = {
    "three components": (b"\xff\xd8" + SOF + b"\x03", True),
    "one component": (b"\xff\xd8" + SOF + b"\x01", True),
    "four components": (b"\xff\xd8" + SOF + b"\x04", False),
    "two components": (b"\xff\xd8" + SOF + b"\x02", False),
    "progressive": (b"\xff\xd8" + SOF.replace(b"\xc0", b"\xc2") + b"\x03", True),
    "tables first": (b"\xff\xd8" + segment(0xC4, b"\3" * 20) + segment(0xDB, b"\4" * 65) + SOF + b"\x03", True),
    "a frame inside a comment": (b"\xff\xd8" + segment(0xFE, SOF + b"\x03") + SOF + b"\x04", False),
    "nothing but the mark": (b"\xff\xd8", False),
    "cut off before the frame": (b"\xff\xd8" + segment(0xDB, b"\4" * 65), False),
    "cut off in the frame": (b"\xff\xd8" + SOF, False),
    "a segment that says it has no length": (b"\xff\xd8" + b"\xff\xe0\0\0" * 9, False),
    "no marker where one should be": (b"\xff\xd8" + segment(0xE0, b"JFIF\0") + b"\0" + SOF + b"\x03", False),
    "PNG": (b"\x89PNG\r\n\x1a\n" + SOF + b"\x03", False),
    "empty": (b"", False),
}


@pytest.mark.parametrize(("header", "plain"), HEADERS.values(), ids=HEADERS)
def test_plain_jpeg_is_known_by_its_segments(header: bytes, plain: bool) -> None:
    assert is_plain_jpeg(header) is plain


@pytest.mark.parametrize("keep", [0, 2, 200, 0.5, 0.98])
def test_a_cut_off_jpeg_is_refused_not_filled_with_grey(keep: float) -> None:
    data = encode(photo(320, 480))
    with pytest.raises(ValueError, match=r"truncated|empty file|not an image"):
        decode(data[: int(keep * len(data)) if isinstance(keep, float) else keep])


def test_without_the_fast_decoder_pillow_reads_everything(monkeypatch: pytest.MonkeyPatch, through: list[str]) -> None:
    data = encode(photo())
    fast = ours(data)
    monkeypatch.setattr(pictures, "fast_decoder", lambda: None)
    assert np.abs(ours(data) - fast).max() <= 2
    assert through == ["Pillow"]


# -- files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / "a.jpg").write_bytes(encode(photo()))
    (tmp_path / "cat" / "b é.png").write_bytes(encode(photo(16, 24), "PNG"))
    return tmp_path


def files(folder: Path) -> FileReader:
    return FileReader(folder, np.array(["cat/a.jpg", "cat/b é.png"]), np.array([[32, 48], [16, 24]]))


def test_files_are_read_by_position(folder: Path) -> None:
    images = files(folder)
    assert [tuple(images.read(i).shape) for i in (1, 0)] == [(3, 16, 24), (3, 32, 48)]
    assert np.array_equal(images.read(1).permute(1, 2, 0).numpy(), np.asarray(photo(16, 24)))


CHANGES = {
    "vanished": (None, "can no longer be read .*No such file"),
    "empty": (b"", r"can no longer be read \(empty file\)"),
    "cut off": (encode(photo())[:-300], "can no longer be read .*truncated"),
    "no image": (b"hello\nworld", "can no longer be read .*not an image"),
    "another size": (
        encode(photo(48, 32)),
        "has changed while the run was going on; restore it or start the run again",
    ),
}


@pytest.mark.parametrize(("content", "words"), CHANGES.values(), ids=CHANGES)
def test_a_file_that_changed_after_planning_is_named(content: bytes | None, words: str, folder: Path) -> None:
    path = folder / "cat" / "a.jpg"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=words) as caught:
        files(folder).read(0)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_made_images_are_the_same_whenever_they_are_read(tmp_path: Path) -> None:
    source = FakeImages(n_train=4, n_val=2, n_test=2, height=12, width=17, image_size=8, cache_dir=str(tmp_path))
    again = FakeImages(n_train=4, n_val=2, n_test=2, height=12, width=17, image_size=8, cache_dir=str(tmp_path))
    seen = []
    for split in ("train", "val"):
        first, second = (reader_of(it, it.splits[split]) for it in (source, again))
        assert first.sizes.tolist() == [[12, 17]] * len(source.splits[split])
        images = [first.read(i) for i in range(len(first.sizes))]
        assert all(torch.equal(image, second.read(i)) for i, image in reversed(list(enumerate(images))))
        assert {tuple(image.shape) for image in images} == {(3, 12, 17)}
        seen += [bytes(image.numpy()) for image in images]
    assert len(set(seen)) == 6


# -- sizes


@pytest.mark.parametrize("size", [(32, 48), (48, 32), (7, 7), (100, 3), (31, 50)])
@pytest.mark.parametrize("kind", ["bilinear", "bicubic"])
def test_resizing_is_torchvisions(size: tuple[int, int], kind: str) -> None:
    """On uint8, bit for bit, whatever the strides; no work where nothing changes."""
    image = torch.from_numpy(np.array(photo()))
    mode = v2.InterpolationMode(kind)
    theirs = v2.functional.resize(image.permute(2, 0, 1).contiguous(), list(size), mode, antialias=True)
    for planes in (image.permute(2, 0, 1), image.permute(2, 0, 1).contiguous()):
        assert torch.equal(resize(planes, *size, interpolation=kind), theirs)
    assert resize(theirs, *size, interpolation=kind) is theirs


def test_resizing_smooths() -> None:
    """Halving a chessboard gives grey, which takes antialiasing."""
    board = torch.from_numpy((np.indices((64, 64)).sum(0) % 2 * 255).astype(np.uint8)).expand(3, 64, 64)
    small = resize(board, 16, 16).float()
    assert (small - 127.5).abs().max() < 12
    flat = torch.full((3, 9, 11), 77, dtype=torch.uint8)
    assert (resize(flat, 30, 4) == 77).all()


def test_shrunk_sizes_are_those_of_torchvision() -> None:
    rng = np.random.default_rng(0)
    sizes = np.concatenate((rng.integers(1, 700, (300, 2)), [[5, 5], [256, 256], [1, 1], [1, 40]]))
    for shorter in (8, 64, 255, 256):
        found = shrunk(sizes, shorter)
        assert (found.min(1) == shorter).all()
        assert np.array_equal(shrunk(found, shorter), found)
        assert np.array_equal(shrunk(sizes[:, ::-1], shorter), found[:, ::-1])
    for size, (height, width) in zip(sizes[:40].tolist(), shrunk(sizes, 8).tolist(), strict=False):
        assert v2.functional.resize(torch.zeros(1, *size), [8]).shape == (1, height, width)
