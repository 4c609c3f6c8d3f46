"""The cache holds the pixels that decoding gives; one process builds it, and it costs no private memory."""

import json
import logging
import multiprocessing
import os
import pickle
import shutil
import signal
import time
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import numpy as np
import pytest
import torch
from PIL import Image

from lossbench.data.augment import Augment
from lossbench.data.batch import Batch
from lossbench.data.images import build_lock, cache_build, cache_files
from lossbench.data.images.cache import CachedReader, cached
from lossbench.data.images.cache_files import ImageCache, is_whole, offsets_of
from lossbench.data.images.fake import FakeImages
from lossbench.data.images.folder import ImageFolder
from lossbench.data.images.reader import GeneratedReader, resize, shrunk
from lossbench.data.images.views import ImageDataset, Views
from lossbench.data.module import DataModule, ResumableLoader
from lossbench.data.order import Draw, TrainBatches
from lossbench.data.split import Split
from lossbench.errors import UserError

SIZES = np.array([[9, 14], [20, 10], [8, 8], [31, 12], [10, 11], [8, 40], [17, 17]])
DIGESTS = np.array([f"{i:032x}" for i in range(len(SIZES))])
SHORTER = 8
FORK = multiprocessing.get_context("fork")


def paint(position: int) -> np.ndarray:
    return np.random.default_rng(position).integers(0, 256, (*SIZES[position], 3), dtype=np.uint8)


def build(folder: Path, make: Callable[[int], np.ndarray] = paint, digests: np.ndarray = DIGESTS) -> CachedReader:
    return CachedReader(cached(GeneratedReader(make, SIZES), digests, SHORTER, folder), digests)


def never(position: int) -> NoReturn:
    raise AssertionError(f"image {position} is read again")


def is_right(pictures: CachedReader) -> bool:
    sizes = shrunk(SIZES, SHORTER)
    expected = [resize(torch.from_numpy(paint(i)).permute(2, 0, 1), *sizes[i].tolist()) for i in range(len(SIZES))]
    return np.array_equal(pictures.sizes, sizes) and all(
        torch.equal(pictures.read(i), image) for i, image in enumerate(expected)
    )


# -- the same pixels


def test_images_are_kept_decoded_and_resized(tmp_path: Path) -> None:
    pictures = build(tmp_path / "a" / "b")
    assert is_right(pictures)
    assert sorted(path.name for path in pictures.cache.path.iterdir()) == ["index.npz", "manifest.json", "pixels.bin"]
    assert list(pictures.cache.path.parent.iterdir()) == [pictures.cache.path]
    assert json.loads((pictures.cache.path / "manifest.json").read_text())["images"] == len(SIZES)


@pytest.fixture
def photos(tmp_path: Path) -> ImageFolder:
    rng = np.random.default_rng(0)
    for label in ("cat", "dog"):
        (tmp_path / "images" / label).mkdir(parents=True)
        for i in range(12):
            pixels = np.kron(
                rng.integers(0, 256, (4, 5, 3)), np.ones((int(rng.integers(3, 9)), int(rng.integers(3, 9)), 1))
            )
            Image.fromarray(pixels.astype(np.uint8)).save(
                tmp_path / "images" / label / (f"{i}.png" if i % 3 else f"{i}.jpg")
            )
    return folder_of(tmp_path)


def folder_of(tmp_path: Path) -> ImageFolder:
    return ImageFolder(root=str(tmp_path / "images"), cache_dir=str(tmp_path / "cache"), image_size=12, resize=15)


@pytest.mark.parametrize("kind", ["files", "fake", "bicubic"])
def test_evaluation_sees_the_same_bits_with_and_without_the_cache(
    kind: str, photos: ImageFolder, tmp_path: Path
) -> None:
    fake = FakeImages(
        cache_dir=str(tmp_path / "cache"),
        classes=2,
        n_train=3,
        n_val=9,
        n_test=7,
        height=23,
        width=41,
        image_size=20,
        resize=21,
    )
    source = {"files": photos, "fake": fake, "bicubic": replace(fake, interpolation="bicubic")}[kind]
    decoded, kept = (
        DataModule(source, 0, 4, cache=name, augment=Augment(scale=(0.5, 1.0))) for name in ("none", "disk")
    )
    kept.prepare()
    assert all(isinstance(kept.reader(stage), CachedReader) for stage in ("train", "val", "test"))
    assert len([*(tmp_path / "cache" / "images").iterdir()]) == 1
    for stage in ("val", "test"):
        for a, b in zip(decoded.evaluation_loader(stage), kept.evaluation_loader(stage), strict=True):
            assert all(torch.equal(x, y) for x, y in zip(a.tensors(), b.tensors(), strict=True))


def test_another_content_is_another_cache(photos: ImageFolder, tmp_path: Path) -> None:
    def path() -> Path:
        pictures = DataModule(folder_of(tmp_path), 0, 4, cache="disk").reader("val")
        assert isinstance(pictures, CachedReader)
        return pictures.cache.path

    before = path()
    image = tmp_path / "images" / str(photos.splits["val"].inputs[0])
    Image.fromarray(255 - np.asarray(Image.open(image))).save(image)
    os.utime(image, ns=(1, 1))
    assert path() != before
    (batch,) = DataModule(folder_of(tmp_path), 0, 4, cache="disk").val_dataloader()
    (fresh,) = DataModule(folder_of(tmp_path), 0, 4).val_dataloader()
    assert torch.equal(batch.inputs, fresh.inputs)


def test_the_name_is_that_of_a_set_and_of_the_size(tmp_path: Path) -> None:
    """However a data set is ordered and split, its images are decoded once, equal ones too."""
    images, twice = GeneratedReader(paint, SIZES), np.r_[np.arange(7), 0, 3]
    first = cached(images, DIGESTS, 8, tmp_path)
    repeated = GeneratedReader(never, SIZES[twice])
    assert cached(repeated, DIGESTS[twice], 8, tmp_path).path == first.path
    assert cached(GeneratedReader(never, SIZES[::-1]), DIGESTS[::-1], 8, tmp_path).path == first.path
    assert cached(images, DIGESTS, 9, tmp_path).path != first.path
    assert cached(images, DIGESTS, 8, tmp_path, "bicubic").path != first.path
    for absent in ("", "z"):
        with pytest.raises(ValueError, match=r"lacks 1 of 2 images$"):
            CachedReader(first, np.array([DIGESTS[0], absent]))
    for position, row in enumerate(twice):
        assert torch.equal(CachedReader(first, DIGESTS[twice]).read(position), first.read(int(row)))


def test_training_on_the_cache_never_changes_it(tmp_path: Path) -> None:
    """What is erased or transformed in place is a copy, also in this process's memory."""
    pictures = build(tmp_path)
    augment = Augment(flip=0.5, erasing=1.0, transforms=[lambda image: image.add_(100)])
    for kind in (augment, Augment(erasing=1.0)):
        views = Views(pictures.sizes, SHORTER, SHORTER, 0, kind)
        names = np.array([str(k) for k in range(len(SIZES))])
        split = Split(names, np.zeros(len(SIZES), dtype=np.int64), names)
        data = ImageDataset(pictures, split, views, np.zeros(3, dtype=np.uint8))
        for epoch in range(3):
            data.__getitems__(Draw(range(len(SIZES)), epoch))
    assert is_right(pictures)
    pictures.read(0).zero_()  # nor could anything else
    assert is_right(build(tmp_path, never))


def test_a_pickle_carries_no_pixels(tmp_path: Path) -> None:
    pictures = build(tmp_path)
    bare = len(pickle.dumps(pictures))
    assert is_right(pictures)
    parcel = pickle.dumps(pictures)
    assert len(parcel) == bare
    assert pictures.read(0).permute(1, 2, 0).numpy().tobytes()[:40] not in parcel
    assert is_right(pickle.loads(parcel))


# -- again


def test_a_second_run_reads_no_image_again(tmp_path: Path) -> None:
    first = build(tmp_path)
    before = {path.name: path.stat() for path in first.cache.path.iterdir()}
    assert is_right(build(tmp_path, never))
    after = {path.name: path.stat() for path in first.cache.path.iterdir()}
    assert {name: (stat.st_mtime_ns, stat.st_ino) for name, stat in after.items()} == {
        name: (stat.st_mtime_ns, stat.st_ino) for name, stat in before.items()
    }


def test_an_unchanged_cache_is_not_summed_up_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Starting a run must not read all pixels of a large data set."""
    build(tmp_path)
    monkeypatch.setattr(zlib, "crc32", never)
    build(tmp_path, never)


@pytest.mark.parametrize("writable", [True, False])
def test_a_touched_but_undamaged_cache_is_kept(
    writable: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is summed up once, or each time where that cannot be written down."""
    pixels = build(tmp_path).cache.path / "pixels.bin"
    os.utime(pixels, ns=(1, 1))
    summed = []
    crc32 = zlib.crc32
    monkeypatch.setattr(zlib, "crc32", lambda data: summed.append(1) or crc32(data))

    def refuse(path: Path, value: object) -> NoReturn:
        raise UserError("read-only")

    if not writable:
        monkeypatch.setattr(cache_files, "write_json", refuse)
    assert is_right(build(tmp_path, never))
    assert is_right(build(tmp_path, never))
    assert len(summed) == len(SIZES) * (1 if writable else 2)
    assert pixels.stat().st_mtime_ns == 1
    assert not caplog.records


def test_a_copy_of_a_cache_is_used(tmp_path: Path) -> None:
    """Moved to another disk it has other times and numbers."""
    key = build(tmp_path / "a").cache.path.name
    shutil.copytree(tmp_path / "a" / key, tmp_path / "b" / key)
    assert is_right(build(tmp_path / "b", never))


# -- damage


def _flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 0x10
    path.write_bytes(content)


DAMAGE: dict[str, Callable[[Path], object]] = {
    "pixels cut off": lambda path: os.truncate(path / "pixels.bin", 100),
    "pixels too long": lambda path: os.truncate(path / "pixels.bin", 100_000),
    "pixels empty": lambda path: os.truncate(path / "pixels.bin", 0),
    "pixels missing": lambda path: (path / "pixels.bin").unlink(),
    "one bit": lambda path: _flip(path / "pixels.bin", 1234),
    "the last bit": lambda path: _flip(path / "pixels.bin", -1),
    "no manifest": lambda path: (path / "manifest.json").unlink(),
    "garbled manifest": lambda path: (path / "manifest.json").write_text('{"version": 1, "im'),
    "manifest not an object": lambda path: (path / "manifest.json").write_text("[1]"),
    "manifest without what it should say": lambda path: (path / "manifest.json").write_text("{}"),
    "manifest not text": lambda path: (path / "manifest.json").write_bytes(b"\xff\xfe\0"),
    "no index": lambda path: (path / "index.npz").unlink(),
    "index cut off": lambda path: os.truncate(path / "index.npz", 300),
    "index empty": lambda path: os.truncate(path / "index.npz", 0),
    "garbled index": lambda path: (path / "index.npz").write_bytes(b"hello"),
    "a number in the index": lambda path: _flip(
        path / "index.npz", (path / "index.npz").read_bytes().index(bytes([12, 0, 0, 0, 0, 0, 0, 0]))
    ),
    "index of something else": lambda path: np.savez(path / "index.npz", a=np.zeros(3)),
    "index of two arrays that do not fit": lambda path: np.savez(
        path / "index.npz", sizes=shrunk(SIZES, SHORTER), digests=DIGESTS, sums=np.zeros(2)
    ),
    "an empty folder": lambda path: [file.unlink() for file in path.iterdir()],
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_cache_is_built_again(
    damage: Callable[[Path], object], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = build(tmp_path).cache.path
    damage(path)
    caplog.set_level(logging.WARNING)
    pictures = build(tmp_path)
    assert (pictures.cache.path, is_right(pictures)) == (path, True)
    assert [record.name for record in caplog.records][:1] == ["lossbench.data.images.cache_files"]
    assert f"{path} is damaged" in caplog.messages[0]
    assert "is built again" in caplog.messages[0]
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
    assert is_right(build(tmp_path, never))


def _is_sound(path: Path) -> bool:
    found = ImageCache(path)
    return np.array_equal(found.sizes, shrunk(SIZES, SHORTER)) and np.array_equal(found.digests, DIGESTS)


def test_no_damage_of_the_index_ends_in_a_traceback_or_wrong_sizes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = build(tmp_path).cache.path
    caplog.set_level(logging.CRITICAL)
    index = path / "index.npz"
    whole = index.read_bytes()
    refused = 0
    for at in range(len(whole)):
        index.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        os.utime(path / "pixels.bin", ns=(at, at))  # so that the sums are used
        whole_again = is_whole(path)
        refused += not whole_again
        assert not whole_again or _is_sound(path)
    assert refused > len(whole) / 2


# -- in company


def _log_and_paint(log: Path, seconds: float) -> Callable[[int], np.ndarray]:
    def make(position: int) -> np.ndarray:
        with open(log, "a") as file:
            file.write(f"{os.getpid()} {position}\n")
        time.sleep(seconds)
        return paint(position)

    return make


def _build_and_check(folder: Path, log: Path, barrier: Any, right: Any) -> None:
    barrier.wait()
    if is_right(build(folder, _log_and_paint(log, 0.03))):
        right.release()


def test_of_two_processes_one_builds(tmp_path: Path) -> None:
    folder, log, barrier, right = tmp_path / "images", tmp_path / "log", FORK.Barrier(2), FORK.Semaphore(0)
    processes = [FORK.Process(target=_build_and_check, args=(folder, log, barrier, right)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(30)
        assert process.exitcode == 0
        assert right.acquire(timeout=0)
    rows = [line.split() for line in log.read_text().splitlines()]
    assert sorted(int(position) for _, position in rows) == list(range(len(SIZES)))
    assert len({pid for pid, _ in rows}) == 1
    (only,) = folder.iterdir()
    assert sorted(path.name for path in only.iterdir()) == ["index.npz", "manifest.json", "pixels.bin"]


def test_a_killed_builders_place_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its lock and its half-written files, before the free space is looked at."""
    folder, log = tmp_path / "images", tmp_path / "log"
    process = FORK.Process(target=build, args=(folder, _log_and_paint(log, 60)))
    process.start()
    deadline = time.monotonic() + 600
    while not log.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    left = {path.name.split(".")[-1] for path in folder.iterdir()}
    assert left == {"lock", "tmp"}
    free = shutil.disk_usage
    monkeypatch.setattr(
        shutil, "disk_usage", lambda path: free(path) if not list(folder.glob("*.tmp")) else SimpleNamespace(free=0)
    )
    pictures = build(folder)
    assert is_right(pictures)
    assert list(folder.iterdir()) == [pictures.cache.path]


def test_who_waited_in_vain_for_a_builder_that_failed_builds_itself(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail(position: int) -> NoReturn:
        time.sleep(0.3)
        raise ValueError("a.jpg has vanished")

    log = tmp_path / "log"

    def other() -> None:
        log.touch()
        with pytest.raises(ValueError, match="vanished"):
            build(tmp_path / "images", fail)

    process = FORK.Process(target=other)
    process.start()
    while not (tmp_path / "images").exists() or not list((tmp_path / "images").glob("*.lock")):
        time.sleep(0.005)
    pictures = build(tmp_path / "images")
    process.join(10)
    assert process.exitcode == 0
    assert is_right(pictures)
    assert list((tmp_path / "images").iterdir()) == [pictures.cache.path]
    assert "waiting for another process" in capfd.readouterr().err


def test_a_builder_that_finishes_just_now_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its claim is gone by the time one asks who it was."""
    tries: list[int] = []

    class Busy(build_lock.Lock):
        def __enter__(self) -> Any:
            tries.append(1)
            if len(tries) == 1:
                raise UserError("is being run by process 1")
            return super().__enter__()

    monkeypatch.setattr(build_lock, "Lock", Busy)
    assert is_right(build(tmp_path))
    assert len(tries) == 2


# -- no room


def empty(folder: Path) -> bool:
    return not folder.is_dir() or not list(folder.iterdir())


@pytest.mark.parametrize("missing", [0, 1])
def test_too_little_space_is_said_before_anything_is_decoded(
    missing: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = int(offsets_of(shrunk(SIZES, SHORTER))[-1]) + cache_build.SPARE - missing
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=free))
    if not missing:
        assert is_right(build(tmp_path))
        return
    with pytest.raises(
        UserError, match=r"^data.cache needs 0.00 GB in .* 0.07 GB free; .*data.cache_dir or LOSSBENCH_CACHE"
    ) as caught:
        build(tmp_path, never)
    assert "\n" not in str(caught.value)
    assert empty(tmp_path)


def _full(*_: object) -> NoReturn:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("where", ["posix_fallocate", "rename"])
def test_a_disk_that_fills_up_meanwhile_is_one_line(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The space is taken before it is mapped: a full disk under a mapping kills the process."""
    monkeypatch.setattr(os, where, _full)
    with pytest.raises(
        UserError, match=r"^cannot write .* \(No space left on device\); .* data.cache_dir or LOSSBENCH_CACHE$"
    ):
        build(tmp_path)
    assert empty(tmp_path)


def test_a_folder_that_cannot_be_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(
        UserError, match=r"^cannot write .* \(Not a directory\); choose another place with data.cache_dir"
    ) as caught:
        build(tmp_path / "file" / "images", never)
    assert "\n" not in str(caught.value)


def test_a_folder_that_may_not_be_written_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The claim is what is written first."""
    create = os.open

    def refuse(path: Any, flags: int, *args: Any, **options: Any) -> int:
        if flags & os.O_CREAT and str(path).startswith(str(tmp_path)):
            raise PermissionError(13, "Permission denied")
        return create(path, flags, *args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refuse)
        with pytest.raises(
            UserError, match=r"^cannot write .* \(Permission denied\); choose another place with data.cache_dir"
        ) as caught:
            build(tmp_path, never)
    assert "runs_dir" not in str(caught.value)
    assert empty(tmp_path)


def test_an_image_that_vanishes_while_building_leaves_nothing_behind(tmp_path: Path) -> None:
    def fail(position: int) -> np.ndarray:
        if position == 4:
            raise ValueError("e.jpg can no longer be read")
        return paint(position)

    threads = torch.get_num_threads()
    with pytest.raises(ValueError, match=r"^e.jpg can no longer be read"):
        build(tmp_path, fail)
    assert empty(tmp_path)
    assert torch.get_num_threads() == threads


# -- memory


def private_bytes() -> int:
    """Private_Dirty of this process: memory of its own, clean pages of mapped files left out."""
    rows = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return 1024 * sum(int(row.split()[1]) for row in rows if row.startswith("Private_Dirty:"))


class Measured(ImageDataset):
    """Writes down its process's private memory before its first batch and after every fifth."""

    log: Path
    batches = 0

    def __getitems__(self, positions: list[int]) -> Batch:
        mine = self.log / f"{os.getpid()}"
        if not mine.exists():
            mine.write_text(f"{private_bytes()}\n")
        batch = super().__getitems__(positions)
        self.batches += 1
        if self.batches % 5 == 0:  # looking takes a while with so many pages mapped
            with open(mine, "a") as file:
                file.write(f"{private_bytes()}\n")
        return batch


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="needs Linux")
def test_workers_read_a_large_cache_without_memory_of_their_own(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """50,000 images of 256 x 256 (9.8 GB, holes on disk), 5,120 random crops."""
    n, side, workers, steps, batch_size = 50_000, 256, 2, 40, 128
    sizes, digests = np.full((n, 2), side), np.array([f"{i:032x}" for i in range(n)])
    path = tmp_path / "cache"
    path.mkdir()
    with open(path / "pixels.bin", "wb") as file:
        file.truncate(int(offsets_of(sizes)[-1]))
    np.savez(path / "index.npz", sizes=sizes, sums=np.zeros(n, dtype=np.uint32), digests=digests)
    stat = (path / "pixels.bin").stat()
    (path / "manifest.json").write_text(
        json.dumps({"version": 1, "images": n, "seen": [stat.st_mtime_ns, stat.st_ino]})
    )
    assert is_whole(path)
    pictures = CachedReader(ImageCache(path), digests)
    views = Views(pictures.sizes, 224, side, 0, Augment(scale=(0.08, 1.0), flip=0.5, erasing=0.25))
    split = Split(digests, np.zeros(n, dtype=np.int64), digests)
    data = Measured(pictures, split, views, np.full(3, 100, dtype=np.uint8))
    data.log = tmp_path / "log"
    data.log.mkdir()
    loader = ResumableLoader(data, TrainBatches(n, batch_size, 0, steps_per_epoch=steps), num_workers=workers)
    started = time.monotonic()
    read = sum(len(batch.position) for batch in loader)
    seconds = time.monotonic() - started
    assert read == steps * batch_size
    logs = [[int(line) for line in file.read_text().split()] for file in data.log.iterdir()]
    assert [len(log) for log in logs] == [1 + steps // workers // 5] * workers
    growth = [(max(log) - log[0]) / 1e6 for log in logs]
    record_property("private_growth_mb", growth)
    print(
        f"{read} crops in {seconds:.1f} s; private memory before {[log[0] / 1e6 for log in logs]} MB, growth "
        f"{growth} MB"
    )
    assert max(growth) < 300
