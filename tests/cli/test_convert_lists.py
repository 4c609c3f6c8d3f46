"""lossbench convert-lists: pickled lists become text, and nothing in them is run."""

import os
import pickle
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from lossbench.cli import convert_lists
from lossbench.data.images import lists
from lossbench.data.images.lists import read_list
from lossbench.errors import UserError


@pytest.fixture
def convert(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Convert bytes or a value that is pickled first; gives the path of the text."""

    def run(value: Any, *words: str, protocol: int = 3) -> Path:
        source, out = tmp_path / "list.pickle", tmp_path / "list.txt"
        source.write_bytes(value if isinstance(value, bytes) else pickle.dumps(value, protocol))
        monkeypatch.setattr("sys.argv", ["convert_lists.py", str(source), str(out), *words])
        convert_lists.main()
        return out

    return run


def listed(path: Path) -> list[str]:
    return path.read_text().splitlines()[1:]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_every_protocol(convert: Any, protocol: int) -> None:
    value = [("n01", "n01_1.JPEG"), ("n02", "é_2.JPEG")]
    assert listed(convert(value, "--unknown", protocol=protocol)) == ["n01/n01_1.JPEG", "n02/é_2.JPEG"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (["n1/b.JPEG", "n1/a.JPEG"], ["n1/b.JPEG", "n1/a.JPEG"]),
        ([["n1", "b.JPEG"], ["n2", "a.JPEG"]], ["n1/b.JPEG", "n2/a.JPEG"]),
        ([("n1/b.JPEG", 1), ("n2/a.JPEG", 0)], ["n1/b.JPEG 1", "n2/a.JPEG 0"]),
        (([f"n{i}/a.JPEG" for i in range(3)], [2, 1, 0]), ["n0/a.JPEG 2", "n1/a.JPEG 1", "n2/a.JPEG 0"]),
        (["train/n1/a.JPEG", "train/n2/b.JPEG"], ["n1/a.JPEG", "n2/b.JPEG"]),
        (["ILSVRC2012_val_00000001.JPEG"], ["ILSVRC2012_val_00000001.JPEG"]),
        (b"(lp0\nS'n1/a.JPEG'\np1\na.", ["n1/a.JPEG"]),
    ],
    ids=["names", "class and file", "name and label", "two lists", "below train", "no class folder", "Python 2"],
)
def test_shapes_of_lists(convert: Any, value: Any, expected: list[str]) -> None:
    assert listed(convert(value, "--unknown")) == expected


def test_a_known_list_is_named_and_stays_known_as_text(
    convert: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    value = [("n1", f"{i}.JPEG") for i in range(1500)]
    monkeypatch.setitem(lists.KNOWN, sha256(pickle.dumps(value, 3)).hexdigest()[:16], "VIPriors val")
    out = convert(value)
    assert capsys.readouterr().out == f"{out}: 1,500 images, VIPriors val\n"
    assert read_list(out).known == "VIPriors val"
    assert read_list(out).names == [f"n1/{i}.JPEG" for i in range(1500)]


def test_an_unknown_list_is_converted_only_when_asked_for(convert: Any, tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"list\.pickle is none of the published lists \(sha256 [0-9a-f]{64}\); --unknown converts it"
    ):
        convert(["n1/a.JPEG"])
    assert not (tmp_path / "list.txt").exists()
    assert read_list(convert(["n1/a.JPEG"], "--unknown")).known is None


def test_nothing_is_overwritten(convert: Any, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("precious")
    with pytest.raises(UserError, match=r"list\.txt exists"):
        convert(["n1/a.JPEG"], "--unknown")
    assert (tmp_path / "list.txt").read_text() == "precious"


class Evil:
    """Makes a folder where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_code_in_a_pickle_is_refused_and_not_run(convert: Any, tmp_path: Path, protocol: int) -> None:
    attack = pickle.dumps(["n1/a.JPEG", Evil(tmp_path / "executed")], protocol)
    with pytest.raises(UserError, match=r"refused, nothing was run: (STACK_)?GLOBAL") as caught:
        convert(attack, "--unknown")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "executed").exists()
    assert not (tmp_path / "list.txt").exists()
    pickle.loads(attack)
    assert (tmp_path / "executed").exists()  # the attack is one


@pytest.mark.parametrize(
    ("attack", "opcode"),
    [
        (b"cposix\nsystem\n(S'true'\ntR.", "GLOBAL"),
        (b"(S'true'\niposix\nsystem\n.", "INST"),
        (b"Psomewhere\n.", "PERSID"),
        (b"\x80\x02\x82\x01.", "EXT1"),
        (b"]q\x00}b.", "BUILD"),
        (b"\x80\x05\x97.", "NEXT_BUFFER"),
        (b"]r\xff\xff\xff\x7f.", "LONG_BINPUT"),
    ],
)
def test_every_other_way_in_is_closed(attack: bytes, opcode: str) -> None:
    with pytest.raises(ValueError, match=rf"^refused.*: {opcode} "):
        convert_lists.load_plain(attack)


def test_the_unpickler_refuses_by_itself_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(convert_lists, "HARMLESS", f"{convert_lists.HARMLESS} GLOBAL REDUCE PERSID")
    with pytest.raises(ValueError, match=r"it names posix\.system"):
        convert_lists.load_plain(b"cposix\nsystem\n(S'true'\ntR.")
    with pytest.raises(ValueError, match="it names an object outside the file"):
        convert_lists.load_plain(b"Psomewhere\n.")


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"", "not a pickled list"),
        (b"n1/a.JPEG 0\n", "not a pickled list"),
        (pickle.dumps(["n1/a.JPEG"] * 9)[:-3], "not a pickled list"),
        ([], "expected a list of images, found an empty list"),
        ({"n1/a.JPEG": 0}, "expected a list of images, found dict"),
        (["n1/a.JPEG", 3], "entry 2 is neither a name nor"),
        ([("n1/a.JPEG", True)], "entry 1 is neither a name nor"),
        ([[["deep"] * 9] * 9], "entry 1 is neither a name nor"),
        (["/data/n1/a.JPEG"], "entry 1: '/data/n1/a.JPEG' is absolute"),
        ([("..", "a.JPEG")], r"entry 1: '\.\./a.JPEG' has a \.\. part"),
        (["n1/a.JPEG\nn2/b.JPEG"], "entry 1: .* cannot be written as a line"),
        (["#n1/a.JPEG"], "entry 1: .* cannot be written as a line"),
        (["n1/a 3"], "entry 1: .* cannot be written as a line"),
        (["n1/a.JPEG", "n1/a.JPEG"], "'n1/a.JPEG' is listed twice"),
    ],
)
def test_what_is_no_list_of_images_says_so_in_one_line(convert: Any, tmp_path: Path, value: Any, reason: str) -> None:
    with pytest.raises(UserError, match=rf"list\.pickle: {reason}") as caught:
        convert(value, "--unknown")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "list.txt").exists()


@pytest.mark.parametrize("name", ["none.pickle", "."])
def test_a_file_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr("sys.argv", ["convert_lists.py", str(tmp_path / name), str(tmp_path / "out.txt")])
    with pytest.raises(UserError, match="cannot be read: "):
        convert_lists.main()
