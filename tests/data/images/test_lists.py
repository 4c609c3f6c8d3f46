"""Lists are read as they are meant; what is wrong is one line with the file and the line's number."""

from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from lossbench.data.images import lists
from lossbench.data.images.lists import FileList, converted, read_list
from lossbench.errors import UserError


def read(folder: Path, content: str | bytes, **options: str) -> FileList:
    path = folder / "some list.txt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_list(path, **options)


def test_names_labels_and_hash_in_the_lists_order(tmp_path: Path) -> None:
    content = b"n02/b.JPEG 7\nn01/a.JPEG 0\nn02/a.JPEG 7\n"
    found = read(tmp_path, content)
    assert found.names == ["n02/b.JPEG", "n01/a.JPEG", "n02/a.JPEG"]
    assert found.labels is not None
    assert found.labels.dtype == np.int64
    assert found.labels.tolist() == [7, 0, 7]
    assert (found.sha256, found.known) == (sha256(content).hexdigest(), None)


@pytest.mark.parametrize(
    "content",
    [
        "n1/é.jpg\nn2/b.jpg",
        "\ufeffn1/é.jpg\r\nn2/b.jpg\r\n",
        "# a comment\n\n  n1/é.jpg  \n \t\n  # another 3\nn2/b.jpg\n\n",
    ],
    ids=["plain", "BOM and CRLF", "comments and blanks"],
)
def test_without_labels_and_however_it_was_saved(tmp_path: Path, content: str) -> None:
    found = read(tmp_path, content)
    assert (found.names, found.labels) == (["n1/é.jpg", "n2/b.jpg"], None)


@pytest.mark.parametrize(
    ("line", "name", "label"),
    [
        ("n1/my cat 2.jpg", "n1/my cat 2.jpg", None),
        ("n1/my cat 2.jpg 3", "n1/my cat 2.jpg", 3),
        ("n1/a.jpg copy.jpg", "n1/a.jpg copy.jpg", None),
        ("my class/a.PNG\t12", "my class/a.PNG", 12),
        ("n01440764/n01440764_6169 0", "n01440764/n01440764_6169", 0),
        ("n1/my cat", "n1/my cat", None),
        ("n1/photo of mr. smith", "n1/photo of mr. smith", None),
    ],
)
def test_names_with_spaces_and_names_without_an_ending(tmp_path: Path, line: str, name: str, label: int | None) -> None:
    found = read(tmp_path, line)
    assert (found.names, None if found.labels is None else found.labels.tolist()) == (
        [name],
        None if label is None else [label],
    )


WRONG = {
    "": "lists no images",
    "# only\n\n": "lists no images",
    "n1/a.jpg 0\n/etc/passwd.jpg 1": r"line 2: '/etc/passwd.jpg' is absolute",
    "n1/../../a.jpg": r"line 1: .* has a \.\. part; names are CLASS/FILE below data\.root",
    "../a.jpg": r"line 1: .* has a \.\. part",
    "n1\\a.jpg": "line 1: .* holds a backslash",
    "C:/a.jpg": "line 1: .* begins with a drive letter",
    "~/a.jpg": "line 1: .* begins with ~",
    "n1/a\0.jpg": "line 1: .* holds a NUL",
    "n1//a.jpg": "line 1: .* has an empty or . part",
    "./a.jpg": "line 1: .* has an empty or . part",
    "\n\na.jpg": "line 3: 'a.jpg' has no class folder; write CLASS/FILE",
    "n1/a.jpg\n__MACOSX/n1/b.jpg": "line 2: '__MACOSX/n1/b.jpg' is a file of a system, or hidden, and no data; delete",
    "n1/._a.jpg": "line 1: 'n1/._a.jpg' is a file of a system",
    "n1/a.jpg -1": "line 1: the label must be a whole number >= 0, got -1",
    "n1/a.jpg 1.5": "line 1: the label must be a whole number >= 0, got 1.5",
    "n1/a.jpg cat": "line 1: the label must be a whole number >= 0, got cat",
    "n1/a.jpg 99999999999999999999999": "line 1: the label must be a whole number >= 0, got 9999",
    "n1/a.jpg 0\n# c\nn1/b.jpg": "line 3 has no label but line 1 has one",
    "n1/a.jpg\nn1/b.jpg\nn1/c.jpg 0": "line 1 has no label but line 3 has one",
    "n1/a.jpg 0\nn1/b.jpg 1": "line 2: class folder n1 has label 1 but 0 in line 1",
    "n1/a.jpg 0\nn2/b.jpg 0": "line 2: label 0 is of class folder n2 but of n1 in line 1",
    "n1/a.jpg\nn2/a.jpg\nn1/a.jpg": "line 3: 'n1/a.jpg' is listed twice, first in line 1",
}


@pytest.mark.parametrize("content", WRONG)
def test_what_is_wrong_is_one_line_with_file_and_line(tmp_path: Path, content: str) -> None:
    with pytest.raises(UserError, match=WRONG[content]) as caught:
        read(tmp_path, content)
    assert str(caught.value).startswith(str(tmp_path / "some list.txt"))
    assert "\n" not in str(caught.value)


def test_files_that_are_no_text_or_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"line 2: not UTF-8 text$"):
        read(tmp_path, "n1/a.jpg\nn1/é.jpg".encode("latin-1"))
    with pytest.raises(
        UserError, match=r"line 1: not UTF-8 text; a pickled list is made text by lossbench convert-lists"
    ):
        read(tmp_path, b"\x80\x03]q\x00.")
    for path, reason in ((tmp_path / "none.txt", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(UserError, match=f"^{path} cannot be read: {reason}"):
            read_list(path)


def test_the_roots_name_is_the_callers(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"below data\.test_root$"):
        read(tmp_path, "/a.jpg", root_name="data.test_root")


def test_published_lists_are_known_by_their_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = b"n01440764/n01440764_6169 0\nn01443537/n01443537_9703.JPEG 1\n"
    assert read(tmp_path, content).known is None
    monkeypatch.setitem(lists.KNOWN, sha256(content).hexdigest()[:16], "DEIC val")
    found = read(tmp_path, content)
    assert (found.known, found.names) == (
        "DEIC val",
        ["n01440764/n01440764_6169.JPEG", "n01443537/n01443537_9703.JPEG"],
    )
    assert read(tmp_path, content, ending=".png").names[0] == "n01440764/n01440764_6169.png"
    assert read(tmp_path, content + b"\n").known is None


def test_a_converted_list_is_known_until_it_is_edited(tmp_path: Path) -> None:
    train = next(prefix for prefix, name in lists.KNOWN.items() if name == "VIPriors train")
    content = converted("VIPriors train", train + "0" * 48, b"n1/a.JPEG\n")
    assert read(tmp_path, content).known == "VIPriors train"
    assert read(tmp_path, content).sha256 == sha256(content).hexdigest()
    assert read(tmp_path, content + b"n1/b.JPEG\n").known is None


def test_every_published_list_has_a_hash_of_its_own() -> None:
    assert sorted(lists.KNOWN.values()) == sorted(
        [f"VIPriors {split}" for split in ("train", "val", "test")]
        + [f"DEIC {split}" for split in ("train", "val", "trainval", "test")]
    )
    assert all(len(prefix) == 16 and int(prefix, 16) for prefix in lists.KNOWN)
