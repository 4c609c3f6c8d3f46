"""Images are found as torchvision finds them, without what can never be data and without going round in circles."""

from pathlib import Path

import pytest
from odd_files import photos

from lossbench.data.images.files import class_folders, find_images, folders_beside, never_data


def test_the_same_images_as_torchvision(tmp_path: Path) -> None:
    from torchvision.datasets import ImageFolder

    elsewhere = tmp_path / "elsewhere"
    photos(elsewhere, ["linked/5.jpg"])
    root = tmp_path / "images"
    photos(root, ["a/0.jpg", "a/b.c/1.PNG", "a/d/e/2.jpeg", "b/d/3.jpg", "c d/ü/4.webp", "c d/5.ppm"])
    (root / "b" / "link").symlink_to(elsewhere / "linked")
    (root / "e").symlink_to(elsewhere / "linked")
    theirs = ImageFolder(str(root))
    ours = class_folders(root, "")
    assert [*ours.images] == theirs.classes
    assert sorted(str(root / name) for name in ours.names) == sorted(path for path, _ in theirs.samples)
    assert ours.left_out == []


def test_links_back_are_left_out_and_every_folder_is_read_once(tmp_path: Path) -> None:
    root = tmp_path / "images"
    photos(root, ["a/x/0.jpg", "b/1.jpg"])
    (root / "a" / "again").symlink_to(root / "a" / "x")
    (root / "a" / "self").symlink_to(root / "a" / "self")
    (root / "a" / "up").symlink_to(root)
    (root / "a" / "x" / "here").symlink_to(".")
    (root / "loop").symlink_to(root)
    assert find_images(root / "a").images == ["x/0.jpg"]
    found = class_folders(root, "")
    assert found.images == {"a": ["a/x/0.jpg"], "b": ["b/1.jpg"]}
    assert found.left_out == ["links that lead nowhere or back: a/again, a/self, a/up, a/x/here, loop"]


def test_links_that_double_at_each_step_end(tmp_path: Path) -> None:
    for i in range(40):  # 2 ** 40 paths
        folder = tmp_path / "images" / "a" / str(i)
        folder.mkdir(parents=True)
        for name in ("left", "right"):
            (folder / name).symlink_to(folder.with_name(str(i + 1)))
    photos(tmp_path / "images", ["a/40/0.jpg"])
    assert find_images(tmp_path / "images").images == ["a/40/0.jpg"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a/0.jpg", False),
        ("a/.hidden.jpg", False),
        ("a/._0.jpg", True),
        (".git/0.jpg", True),
        ("a/.thumbnails/0.jpg", True),
        ("__MACOSX/a/0.jpg", True),
        ("a/@eaDir/0.jpg", True),
        ("$RECYCLE.BIN/0.jpg", True),
    ],
)
def test_what_can_never_be_data(name: str, expected: bool) -> None:
    assert never_data(name) is expected


def test_folders_that_are_not_used_are_named(tmp_path: Path) -> None:
    for name in ("train", "val", "test", ".git", "__MACOSX", "extra"):
        (tmp_path / name).mkdir()
    (tmp_path / "names.txt").touch()
    assert folders_beside(tmp_path, "train", "val") == ["extra/ is not used", "test/ is not used"]
