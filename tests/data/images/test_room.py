"""Large images wait for memory that all threads and processes share; small ones wait for nothing."""

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lossbench.data.images import room
from lossbench.data.images.room import BYTES_PER_PIXEL, PART, PARTS, room_for
from lossbench.errors import UserError

PIXELS = PART // BYTES_PER_PIXEL
"""Of an image that fills one part."""


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path / f"lossbench-{os.getuid()}"


def most_at_once(pixels: int, threads: int = 12) -> int:
    """How many images of a size are decoded at the same time."""
    inside, most, lock = 0, 0, threading.Lock()

    def decode(_: int) -> None:
        nonlocal inside, most
        with room_for(pixels):
            with lock:
                inside += 1
                most = max(most, inside)
            time.sleep(0.05)
            with lock:
                inside -= 1

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(decode, range(threads)))
    return most


@pytest.mark.parametrize(("parts", "expected"), [(1, PARTS), (2, PARTS // 2), (5, 1), (PARTS, 1), (50, 1)])
def test_threads_hold_no_more_than_there_is(parts: int, expected: int) -> None:
    assert most_at_once(parts * PIXELS) == expected


def test_small_images_wait_for_nothing_and_write_nothing(own_folder: Path) -> None:
    assert most_at_once(PIXELS - 1) > PARTS
    assert not own_folder.exists()


def test_a_process_waits_for_another_until_that_dies(own_folder: Path) -> None:
    code = (
        "import sys, tempfile, time; from lossbench.data.images.room import room_for; tempfile.tempdir = sys.argv[1]\n"
        "with room_for(10**9): print('in', flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", code, str(own_folder.parent)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other, ThreadPoolExecutor(1) as pool:
        assert other.stdout is not None
        assert other.stdout.readline() == "in\n"
        waiting = pool.submit(most_at_once, PIXELS, 1)
        time.sleep(0.2)
        assert not waiting.done()
        other.kill()
        assert waiting.result(timeout=20) == 1


def test_a_folder_of_somebody_else_is_refused(own_folder: Path) -> None:
    own_folder.symlink_to(own_folder.parent)
    with pytest.raises(UserError, match=rf"^cannot write {own_folder}: it is not a folder of your own; .* set TMPDIR"):
        room_for(10**9).__enter__()


PEAK = """
import resource, sys
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from PIL import Image
from lossbench.data.images import decode, room
room.PART = 2**21
out = BytesIO(); Image.new(sys.argv[1], (2000, 2000)).save(out, "PNG")
read = getattr(decode, sys.argv[2])
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
def one(_):
    with room.room_for(2000 * 2000 if read is decode.read_rgb else 0):
        read(out.getvalue(), *["a.png"][:read is decode.describe])
before = peak()
with ThreadPoolExecutor(8) as pool: list(pool.map(one, range(16)))
print(peak() - before)
"""


@pytest.mark.parametrize(("mode", "read"), [("RGB", "read_rgb"), ("P", "read_rgb"), ("RGB", "describe")])
def test_the_peak_of_eight_threads_is_that_of_one_image(mode: str, read: str, tmp_path: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-c", PEAK, mode, read]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert int(done.stdout) * 1024 < 2 * BYTES_PER_PIXEL * 2000 * 2000


def test_a_check_and_both_readers_hold_room(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from odd_files import photos

    from lossbench.data.images import cache_build, decode, views
    from lossbench.data.images.folder import ImageFolder
    from lossbench.data.module import DataModule

    held: list[tuple[str, int]] = []

    def noted(where: str) -> Callable[[int], object]:
        return lambda pixels: held.append((where, pixels)) or room_for(pixels)

    for module in (decode, views, cache_build):
        monkeypatch.setattr(module, "room_for", noted(module.__name__.rpartition(".")[2]))
    photos(tmp_path / "images", [f"{label}/{i}.jpg" for label in "ab" for i in range(10)], size=(30, 20))
    source = ImageFolder(root=str(tmp_path / "images"), cache_dir=str(tmp_path / "cache"), image_size=8)
    for mode in ("none", "disk"):
        data = DataModule(source, seed=0, batch_size=4, cache=mode)
        data.prepare()
        assert sum(len(batch.target) for batch in data.evaluation_loader("train")) == 12
    assert {where for where, _ in held} == {"decode", "views", "cache_build"}
    assert ("cache_build", 600) in held
    assert ("views", 600) in held


def test_the_parts_are_a_gigabyte() -> None:
    assert (room.PARTS * room.PART, PIXELS) == (2**30, 16_777_216)
