"""A file is the old one or the new one, whatever goes wrong while it is written."""

import errno
import math
import os
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import pytest

from lossbench.errors import UserError
from lossbench.rundir import files
from lossbench.rundir.files import synced_together, write_alike, write_atomic, write_json, write_yaml
from lossbench.rundir.reading import read_json, read_yaml


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "folder" / "file.json"
    path.parent.mkdir()
    path.write_text('{"old": 1}')
    return path


def no_space(*args: object, **kwargs: object) -> NoReturn:
    raise OSError(errno.ENOSPC, "No space left on device")


def assert_untouched(path: Path) -> None:
    assert read_json(path) == {"old": 1}
    assert os.listdir(path.parent) == [path.name]


def test_a_new_file_takes_the_old_ones_place(old: Path) -> None:
    write_json(old, {"new": [1, 0.1, None, True, "ü"]})
    assert read_json(old) == {"new": [1, 0.1, None, True, "ü"]}
    assert os.listdir(old.parent) == [old.name]


def test_the_old_file_is_there_until_the_new_one_is_whole(old: Path) -> None:
    def write(file: BinaryIO) -> None:
        file.write(b"{}")
        assert read_json(old) == {"old": 1}

    write_atomic(old, write, check=lambda beside: read_json(old)["old"])
    assert read_json(old) == {}


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_full_disk_keeps_the_old_file(old: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    monkeypatch.setattr(files.os, step, no_space)
    with pytest.raises(UserError) as caught:
        write_json(old, {})
    assert str(caught.value).startswith(f"cannot write {old}: No space left on device; free some space")
    assert "\n" not in str(caught.value)
    assert_untouched(old)


def test_a_real_limit_of_the_system_keeps_the_old_file(old: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
    try:
        with pytest.raises(UserError, match=r"cannot write .*File too large"):
            write_atomic(old, lambda file: file.write(b"x" * 100_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert_untouched(old)


@pytest.mark.parametrize("where", ["write", "check"])
def test_a_failing_callback_keeps_the_old_file(old: Path, where: str) -> None:
    def fail(argument: object) -> None:
        raise RuntimeError("mine")

    callbacks: dict[str, Callable[[Any], object]] = {"write": lambda file: file.write(b"new"), where: fail}
    with pytest.raises(RuntimeError, match="mine"):
        write_atomic(old, callbacks["write"], callbacks.get("check"))
    assert_untouched(old)


@pytest.mark.parametrize("name", ["missing/x.json", "file.json/x.json", "a" * 300])
def test_an_impossible_place_is_one_clear_error(old: Path, name: str) -> None:
    with pytest.raises(UserError, match="cannot write"):
        write_json(old.parent / name, {})
    assert_untouched(old)


@pytest.mark.parametrize("value", [math.nan, math.inf, [{"deep": -math.inf}]])
def test_json_has_no_nan(old: Path, value: object) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(old, {"value": value})
    assert_untouched(old)


@pytest.mark.parametrize("text", ["", '{"half": ', "[1]", "\udcff"])
def test_damaged_json_is_one_clear_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(UserError, match=r"x\.json .*move it away and start the run again"):
        read_json(path)


def test_yaml_comes_back_as_it_was(tmp_path: Path) -> None:
    value = {
        "b": 1e-5,
        "a": 1e16,
        "true": "true",
        "no": "no",
        "text": "1e-3",
        "sum": 0.1 + 0.2,
        "none": None,
        "list": [1, 1.0, "1", "ü\n"],
    }
    write_yaml(tmp_path / "x.yaml", value)
    found = read_yaml(tmp_path / "x.yaml")
    assert repr(found) == repr(value)


@pytest.mark.parametrize(
    "text",
    ["a: !!python/object/apply:os.getcwd []", "a: !mine 1", "a: [", "- 1", "", "a: 2024-13-45", "a: !!int x", "\udcff"],
)
def test_yaml_that_is_not_plain_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(UserError, match=r"config\.yaml (cannot be read \(|is damaged)"):
        read_yaml(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"config\.yaml cannot be read \(No such file or directory\); move it away"):
        read_yaml(tmp_path / "config.yaml")


@pytest.mark.parametrize("linked", [True, False])
def test_files_of_one_content_are_one_file_and_each_is_replaced_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, linked: bool
) -> None:
    def refused(*_: object) -> NoReturn:
        raise OSError(errno.EPERM, "Operation not permitted")

    if not linked:
        monkeypatch.setattr(os, "link", refused)
    paths = [tmp_path / name for name in "abcd"]
    with synced_together():
        for path, content in zip(paths, (b"one", b"one", b"two", b"one"), strict=True):
            write_alike(path, content)
        write_alike(paths[3], b"one")  # it is that already
    assert [path.read_bytes() for path in paths] == [b"one", b"one", b"two", b"one"]
    assert len({path.stat().st_ino for path in paths}) == (2 if linked else 4)
    write_alike(paths[0], b"one")  # on its own: a file of its own
    write_alike(paths[1], b"new")
    assert [path.read_bytes() for path in paths] == [b"one", b"new", b"two", b"one"]
    assert sorted(tmp_path.iterdir()) == paths


def test_a_file_that_was_replaced_since_is_no_model_for_others(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in "abc"]
    with synced_together():
        for path, content in zip((paths[0], *paths), (b"one", b"new", b"one", b"one"), strict=True):
            write_alike(path, content)
    assert [path.read_bytes() for path in paths] == [b"new", b"one", b"one"]
    assert os.path.samefile(*paths[1:])
    assert sorted(tmp_path.iterdir()) == paths
