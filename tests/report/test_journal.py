"""journal.jsonl: lines that hold the hash of the line before, written by several processes at once."""

import json
import shutil
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from lossbench.errors import UserError
from lossbench.report.journal import append, read_journal, write_head


def written(folder: Path, n: int = 3) -> Path:
    for k in range(n):
        append(folder, {"what": "plan", "arms": {f"arm{k}": {}}})
    return folder / "journal.jsonl"


def test_what_was_written_is_read_in_order(tmp_path: Path) -> None:
    assert read_journal(tmp_path).entries == []
    written(tmp_path)
    journal = read_journal(tmp_path)
    assert [[*entry["arms"]] for entry in journal.entries] == [["arm0"], ["arm1"], ["arm2"]]
    assert journal.doubts == []
    assert append(tmp_path, {"what": "plan", "arms": {}}) == read_journal(tmp_path).head


def test_lines_of_several_processes_follow_from_each_other(tmp_path: Path) -> None:
    with ProcessPoolExecutor(4, mp_context=get_context("fork")) as pool:
        list(pool.map(append, [tmp_path] * 40, [{"what": "plan", "arms": {}, "writer": k} for k in range(40)]))
    journal = read_journal(tmp_path)
    assert (sorted(entry["writer"] for entry in journal.entries), journal.doubts) == ([*range(40)], [])


@pytest.mark.parametrize(
    ("change", "doubt"),
    [
        (lambda lines: [lines[0].replace("arm0", "other"), *lines[1:]], "line 2 of {path} does not follow from"),
        (lambda lines: [lines[0], lines[2]], "line 2 of {path} does not follow from the line before"),
        (lambda lines: [lines[1], lines[0], lines[2]], "line 1 of {path} does not follow from"),
        (lambda lines: [*lines[:2], lines[2][:20]], "line 3 of {path} is damaged"),
        (lambda lines: [*lines, "[1, 2]"], "line 4 of {path} is damaged"),
        (lambda lines: [*lines, '{"a": ' * 70 + "1" + "}" * 70], "line 4 of {path} is damaged"),
    ],
)
def test_a_line_that_was_edited_or_taken_out_is_noticed(tmp_path: Path, change: object, doubt: str) -> None:
    path = written(tmp_path)
    assert callable(change)
    path.write_text("\n".join(change(path.read_text().splitlines())) + "\n")
    doubts = read_journal(tmp_path).doubts
    assert doubts[0].startswith(doubt.format(path=path))


def test_the_journal_goes_on_behind_a_line_that_was_cut_short(tmp_path: Path) -> None:
    path = written(tmp_path)
    path.write_bytes(path.read_bytes()[:-10])
    append(tmp_path, {"what": "plan", "arms": {"later": {}}})
    journal = read_journal(tmp_path)
    assert [[*entry["arms"]] for entry in journal.entries] == [["arm0"], ["arm1"], ["later"]]
    assert journal.doubts == [f"line 3 of {path} is damaged"]


@pytest.mark.parametrize("keep", [0, 1, None])
def test_a_report_knows_what_the_journal_was(tmp_path: Path, keep: int | None) -> None:
    path = written(tmp_path)
    (tmp_path / "reports" / "one").mkdir(parents=True)
    write_head(tmp_path / "reports" / "one", read_journal(tmp_path).head)
    append(tmp_path, {"what": "plan", "arms": {}})
    assert read_journal(tmp_path).doubts == []
    if keep is None:
        path.unlink()
    else:
        path.write_text("".join(line + "\n" for line in path.read_text().splitlines()[:keep]))
    lost = f"{path} lacks a line that {tmp_path / 'reports' / 'one'} was made from: it was deleted, cut or edited"
    assert read_journal(tmp_path).doubts == [lost]
    shutil.copytree(tmp_path / "reports" / "one", tmp_path / "reports" / "two")
    (several,) = read_journal(tmp_path).doubts
    assert f"lacks lines that 2 reports were made from, {tmp_path / 'reports' / 'one'} among them" in several


def test_a_journal_that_cannot_be_read_or_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot write .*journal\.jsonl: No such file"):
        append(tmp_path / "gone", {"what": "plan", "arms": {}})
    (tmp_path / "journal.jsonl").mkdir()
    with pytest.raises(UserError, match=r"journal\.jsonl cannot be read \(.*\); move it away"):
        read_journal(tmp_path)


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "target").touch()
    (tmp_path / "journal.jsonl").symlink_to(tmp_path / "target")
    with pytest.raises(UserError, match=r"cannot write .*journal\.jsonl"):
        append(tmp_path, {"what": "plan", "arms": {}})
    assert json.dumps((tmp_path / "target").read_text()) == '""'
