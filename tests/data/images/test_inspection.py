"""Every file is read once; what was found is remembered and survives interruption, damage and company."""

import logging
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from odd_files import jpeg

from lossbench import meter
from lossbench.data.images import inspection
from lossbench.data.images.inspection import Inspection, inspect
from lossbench.errors import UserError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "images" / "cat"
    folder.mkdir(parents=True)
    (folder / "a.jpg").write_bytes(jpeg())
    (folder / "b é.jpg").write_bytes(jpeg((8, 9), orientation=6))
    (folder / "broken.jpg").write_bytes(jpeg((200, 200))[:900])
    (folder / "empty.jpg").touch()
    (folder / "gone.jpg").symlink_to(folder / "nothing.jpg")
    return tmp_path / "images"


NAMES = ["cat/a.jpg", "cat/b é.jpg", "cat/broken.jpg", "cat/empty.jpg", "cat/gone.jpg"]


def rows(found: Inspection) -> list[tuple[object, ...]]:
    return list(
        zip(*(getattr(found, name).tolist() for name in ("digest", "height", "width", "reason", "note")), strict=True)
    )


def digest(root: Path, name: str) -> str:
    return sha256((root / name).read_bytes()).hexdigest()[:32]


def test_a_row_for_every_name_in_the_order_asked(root: Path, tmp_path: Path) -> None:
    names = [*NAMES, "cat", "cat/none.jpg", "cat/a.jpg/b.jpg", "cat/\0.jpg", "cat/a.jpg"]
    found = inspect(root, names, tmp_path / "cache")
    assert rows(found) == [
        (digest(root, "cat/a.jpg"), 20, 30, "", ""),
        (digest(root, "cat/b é.jpg"), 8, 9, "", "rotated by EXIF"),
        (digest(root, "cat/broken.jpg"), 0, 0, "truncated: the file ends before the image does", ""),
        (sha256().hexdigest()[:32], 0, 0, "empty file", ""),
        ("", 0, 0, "does not exist (a broken link)", ""),
        ("", 0, 0, "is a directory", ""),
        ("", 0, 0, "does not exist", ""),
        ("", 0, 0, "does not exist", ""),
        ("", 0, 0, "cannot be read: embedded null byte", ""),
        (digest(root, "cat/a.jpg"), 20, 30, "", ""),
    ]
    assert (found.digest.dtype, found.height.dtype, found.width.dtype) == (np.dtype("<U32"), np.int32, np.int32)


def test_nothing_is_asked_for(tmp_path: Path) -> None:
    assert len(inspect(tmp_path, [], tmp_path / "cache")) == 0
    assert not (tmp_path / "cache").exists()


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.jpg")
    assert inspect(tmp_path, ["a.jpg"], tmp_path / "cache").reason.tolist() == ["is not a regular file"]


def test_a_file_that_may_not_be_read_is_read_next_time(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> object:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(inspection, "open", refuse, raising=False)
        assert rows(inspect(root, NAMES[:1], tmp_path / "cache")) == [
            ("", 0, 0, "cannot be read: Permission denied", "")
        ]
    assert inspect(root, NAMES[:1], tmp_path / "cache").reason.tolist() == [""]


def test_remembered_until_size_or_time_change(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache, path = tmp_path / "cache", root / NAMES[0]
    before, times = inspect(root, NAMES, cache), path.stat()
    content = path.read_bytes()
    path.write_bytes(content[:-1] + b"\0")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    with monkeypatch.context() as patch:
        patch.setattr(inspection, "_read", lambda *_: pytest.fail("read again"))
        assert rows(inspect(root, NAMES[::-1], cache)) == rows(before)[::-1]
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns + 1))
    after = inspect(root, NAMES, cache)
    assert after.digest[0] == digest(root, NAMES[0]) != before.digest[0]
    assert rows(after)[1:] == rows(before)[1:]


def test_what_is_remembered_grows_and_roots_keep_apart(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    one = rows(inspect(root, NAMES[:1], cache)) + rows(inspect(root, NAMES[1:], cache))
    inspect(root / "cat", ["a.jpg"], cache)
    monkeypatch.setattr(inspection, "_read", lambda *_: pytest.fail("read again"))
    assert rows(inspect(root, NAMES, cache)) == one
    assert len(list((cache / "inspected").iterdir())) == 2


@pytest.mark.parametrize("damage", [b"", b"PK nonsense", None, "flip"])
def test_a_damaged_memo_is_thrown_away_and_said_so(
    root: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: object
) -> None:
    cache = tmp_path / "cache"
    good = rows(inspect(root, NAMES, cache))
    (memo,) = (cache / "inspected").iterdir()
    content = bytearray(memo.read_bytes())
    content[len(content) // 2] ^= 255
    memo.write_bytes(damage if isinstance(damage, bytes) else bytes(content) if damage else bytes(content)[:-30])
    with caplog.at_level(logging.WARNING):
        assert rows(inspect(root, NAMES, cache)) == good
    assert [record.message.split(" is damaged (")[0] for record in caplog.records] == [str(memo)]
    caplog.clear()
    assert rows(inspect(root, NAMES, cache)) == good
    assert not caplog.records


def test_a_memo_that_would_run_code_is_not_run(root: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (tmp_path / "executed",))

    inspect(root, NAMES, tmp_path / "cache")
    (memo,) = (tmp_path / "cache" / "inspected").iterdir()
    with np.load(memo) as kept:
        arrays = {**kept, "digest": np.array([Evil()], dtype=object)}
    np.savez(memo, **arrays)
    inspect(root, NAMES, tmp_path / "cache")
    assert not (tmp_path / "executed").exists()
    assert "Object arrays cannot be loaded" in caplog.text


def test_what_was_read_before_an_interruption_is_kept(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, seen = inspection._read, []

    def interrupted(path: str, found: tuple[int, int]) -> inspection.Row:
        seen.append(path)
        if len(seen) == 3:
            raise KeyboardInterrupt
        return read(path, found)

    monkeypatch.setattr(inspection, "CHUNK", 1)
    monkeypatch.setattr(inspection, "cores", lambda: 1)
    monkeypatch.setattr(inspection, "_read", interrupted)
    with pytest.raises(KeyboardInterrupt):
        inspect(root, NAMES[:4], tmp_path / "cache")
    seen += [""] * 3
    del seen[:-3]
    inspect(root, NAMES[:4], tmp_path / "cache")
    assert seen[3:] == [f"{root}/{name}" for name in NAMES[2:4]]


def test_threads_and_processes_share_a_memo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    root, cache = tmp_path / "images", tmp_path / "cache"
    root.mkdir()
    names = [f"{i}.jpg" for i in range(150)]
    for i, name in enumerate(names):
        (root / name).write_bytes(jpeg((i + 1, 5)))
    code = "import sys; from pathlib import Path; from lossbench.data.images.inspection import inspect\n"
    code += "for n in range(10, 151, 20): inspect(Path(sys.argv[1]), [f'{i}.jpg' for i in range(n)], Path(sys.argv[2]))"
    others = [
        subprocess.Popen([sys.executable, "-W", "error", "-c", code, root, cache], stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    with ThreadPoolExecutor(3) as threads:
        assert len([*threads.map(lambda start: inspect(root, names[start::3], cache), range(3))]) == 3
    assert [(other.communicate()[1], other.returncode) for other in others] == [(b"", 0)] * 2
    assert inspect(root, names, cache).width.tolist() == list(range(1, 151))
    assert not caplog.records
    assert len(list((cache / "inspected").iterdir())) == 1  # no temporary files either


def test_a_cache_that_cannot_be_written_is_said_before_reading(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cache").write_text("a file")
    monkeypatch.setattr(inspection, "_read", lambda *_: pytest.fail("read"))
    with pytest.raises(UserError, match=r"^cannot write .*cache/inspected: .*data\.cache_dir=PATH or LOSSBENCH_CACHE$"):
        inspect(root, NAMES, tmp_path / "cache")


def test_a_disk_that_is_full_in_the_end_names_the_cache_too(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(inspection.np, "savez", full)
    with pytest.raises(UserError, match=r"npz: No space left on device; .*data\.cache_dir"):
        inspect(root, NAMES, tmp_path / "cache")
    assert list((tmp_path / "cache" / "inspected").iterdir()) == []


def test_the_check_shows_how_far_it_is(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = [f"cat/{i}.jpg" for i in range(meter.SHOWN_FROM + 1)]
    for name in names:
        os.link(root / NAMES[0], root / name)
    inspect(root, names, tmp_path / "cache")
    out, err = capsys.readouterr()
    assert out == ""
    assert [line.split(" after")[0] for line in err.splitlines()] == [
        "checking images: 201 images",
        "checking images: finished",
    ]
