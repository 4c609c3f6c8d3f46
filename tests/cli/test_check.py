"""lossbench check: every file that cannot be read is named with its reason, odd ones are listed."""

import csv
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from odd_files import photos, write_bad, write_odd
from tables import a_table, written

from lossbench.cli.check import main
from lossbench.escaping import in_line

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {key: value for key, value in os.environ.items() if key != "HYDRA_FULL_ERROR"} | {
    "PYTHONIOENCODING": "utf-8:strict"
}
"""A strict terminal, on which names that are not UTF-8 must not matter; without what our import sets."""
Check = Callable[..., tuple[int, str, str]]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    photos(tmp_path / "images", [f"{label}/{i}.jpg" for label in "ab" for i in range(10)], size=(31, 17))
    photos(tmp_path / "images", ["a/large.jpg"], size=(60, 50))
    return tmp_path / "images"


@pytest.fixture
def check(root: Path, tmp_path: Path) -> Check:
    """What a user types; exit code, stdout, stderr."""

    def run(*words: object, data: str = "image_folder") -> tuple[int, str, str]:
        where = (f"data={data}", f"data.root={root}", f"data.cache_dir={tmp_path / 'cache'}")
        done = subprocess.run(
            [sys.executable, "-W", "error", "-m", "lossbench", "check", *where, *map(str, words)],
            cwd=ROOT,
            env=ENVIRONMENT,
            capture_output=True,
            check=False,
        )
        return done.returncode, done.stdout.decode(), done.stderr.decode(errors="surrogateescape")

    return run


def test_the_splits_of_a_replicate_are_counted(check: Check) -> None:
    for replicate, counts in (0, r"6 +2 +3  a\n +7 +1 +2  b"), (3, r"6 +2 +2  a\n +7 +1 +2  b"):
        code, out, err = check(f"replicate={replicate}")
        assert (code, err) == (0, "")
        assert re.search(counts, out)


def test_every_bad_file_has_its_reason_and_every_odd_one_its_note(check: Check, root: Path, tmp_path: Path) -> None:
    bad, odd = write_bad(root / "b"), write_odd(root / "a")
    del bad["folder.jpg"]  # a folder: it is searched
    code, out, err = check("--csv", tmp_path / "all.csv")
    assert (code, err) == (
        1,
        f"error: {len(bad)} images cannot be read: repair or delete them, or train with data.on_bad_image=skip\n",
    )
    lines = out.splitlines()
    unreadable = {f"unreadable: {root}/b/{name}: {reason}" for name, reason in bad.items()}
    unusual = {f"unusual: {in_line(root / 'a' / name)}: {note}" for name, note in odd.items() if note}
    assert len(unreadable) >= 12
    assert {line for line in lines if line.startswith("unreadable: ")} == unreadable
    assert {line for line in lines if line.startswith("unusual: ")} == unusual
    assert len(lines) == 4 + 3 + 2 + len(unreadable) + len(unusual) + 2  # splits, classes, what is held out and odd
    written = {(f"{root}/b/{name}", "unreadable", reason) for name, reason in bad.items()}
    written |= {(f"{root}/a/{name}", "unusual", note) for name, note in odd.items() if note}
    assert_csv(tmp_path / "all.csv", written)


def assert_csv(path: Path, expected: set[tuple[str, str, str]]) -> None:
    with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["split", "path", "what", "why"]
    assert {(place, what, why) for _, place, what, why in rows} == expected
    assert {split for split, *_ in rows} == {"train", "val", "test"}


def test_all_good(check: Check, root: Path) -> None:
    code, out, err = check()
    assert (code, err) == (0, "")
    first, train, val, test, *classes = out.splitlines()
    assert first == f"{root}: 2 classes"
    counts = [
        re.fullmatch(r"  (\w+) +(\d+) images, (\d+) to (\d+) a class, .*, 0 unreadable", line)
        for line in (train, val, test)
    ]
    assert [found.groups() for found in counts if found] == [
        ("train", "13", "6", "7"),
        ("val", "4", "2", "2"),
        ("test", "4", "2", "2"),
    ]
    assert "shorter side 17 to 50 px (median 17)" in out
    assert [line.split() for line in classes[:3]] == [
        ["train", "val", "test", "class"],
        ["7", "2", "2", "a"],
        ["6", "2", "2", "b"],
    ]
    assert classes[3:] == [
        "splits: 0.2 of each class is test (data.test_fraction), 0.2 of the rest is val (data.val_fraction)",
        "odd: imbalance 1.17: a has 7 training images, b 6",
        "odd: fewer than 10 training images: a (7), b (6)",
    ]


def test_files_that_are_not_utf_8_by_name_and_cannot_be_read(check: Check, root: Path, tmp_path: Path) -> None:
    name = os.fsdecode(b"\xff.jpg")
    (root / "a" / name).write_bytes(b"")
    code, out, err = check("--csv", tmp_path / "all.csv")
    assert (code, err.count("\n")) == (1, 1)
    assert f"unreadable: {root}/a/\\udcff.jpg: empty file" in out.splitlines()
    assert b"/a/\xff.jpg,unreadable,empty file\n" in (tmp_path / "all.csv").read_bytes()


def test_a_split_without_readable_images_is_described_too(check: Check, root: Path) -> None:
    for path in root.glob("*/*.jpg"):
        path.write_bytes(b"")
    code, out, err = check()
    assert (code, err.startswith("error: 21 images cannot be read: ")) == (1, True)
    assert [line.split(",")[0].split() for line in out.splitlines()[1:4]] == [
        [name, "0", "images"] for name in ("train", "val", "test")
    ]
    assert out.count(": empty file\n") == 21


def test_many_bad_files_do_not_flood_the_screen_but_are_all_written(check: Check, root: Path, tmp_path: Path) -> None:
    for i in range(60):
        (root / "a" / f"bad{i}.jpg").write_bytes(b"")
    code, out, _ = check("--csv", tmp_path / "all.csv")
    assert code == 1
    assert out.count("unreadable: ") == 50
    assert "... and 10 more unreadable; --csv FILE writes all\n" in out
    assert (tmp_path / "all.csv").read_text().count("unreadable") == 60


def test_data_without_files_are_counted_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.savez(tmp_path / "x.npz", X=np.arange(160).reshape(40, 4), y=np.arange(40) % 2)
    for words, first in (
        (["data=digits"], r"data: digits, 10 classes, "),
        (
            ["data=arrays", f"data.path={tmp_path}/x.npz"],
            r"data: x\.npz \(arrays\), 2 classes, 26 train / 6 val / 8 test",
        ),
    ):
        main(words)
        assert re.match(first, capsys.readouterr().out)


def test_a_table_is_described_with_its_classes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["data=table", f"data.path={written(a_table(), tmp_path / 'visits.csv')}", "data.target=risk"])
    out = capsys.readouterr().out
    assert out.startswith("data: visits.csv (table), 3 classes, 192 train / 48 val / 60 test examples")
    assert re.search(r"^ +\d+ +\d+ +\d+  middle$", out, re.MULTILINE)
    assert "left out: not learned from: patient (an identifier or free text: 100 different values in 300 rows)" in out
