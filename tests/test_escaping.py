"""Names, paths and reasons from elsewhere reach a terminal, a spreadsheet, Markdown, HTML and paths as plain text."""

import csv
import io
import re
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
from made_runs import make_arm, make_run

from lossbench.cli import check, predict, report, status
from lossbench.cli.check import Finding
from lossbench.cli.predict import Prediction
from lossbench.errors import UserError, exit_on_user_error
from lossbench.escaping import BAR, CONTROLS, csv_text, file_name, for_csv, for_markdown, for_terminal, in_line
from lossbench.rundir.directory import RunDirectory
from lossbench.streams import Output, as_text

HOSTILE = (
    "\x1b]0;owned\x07\x1b[2J", "\x9b31m", "\u202egnp.exe", "a\rb", "=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(1)",
    "\tx", "<img src=x onerror=alert(1)>", "[a](http://evil)", "![x](//evil)", "`b`|c|", "www.evil.example",
    "../../outside", "/absolute", "..", "a\nforged: line",
)  # fmt: skip


def is_quiet(printed: str) -> bool:
    return not CONTROLS.search(printed)


def cells(text: str) -> list[str]:
    return [cell for row in csv.reader(io.StringIO(text)) for cell in row]


def is_formula(cell: str) -> bool:
    """Whether a spreadsheet would compute it."""
    return cell.startswith(("=", "+", "-", "@", "\t", "\r")) and not re.fullmatch(r"[+-][\d.]+(e[+-]?\d+)?", cell)


@pytest.fixture
def written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> tuple[str, Path]:
    """What report and status print about a study of hostile names, through the streams of a command; and the study."""
    study = tmp_path / "in" / "study"
    for k, name in enumerate(HOSTILE):
        settings = {"data.name": "toy", "model.name": "mlp", "loss.note": name}
        make_run(study, f"loss{k}", settings=settings, folder=f"toy-mlp-l{k}-0123abc{k:x}", result={"loss": name})
        make_run(study, "bad", 1, state="failed", status={"reason": name}, folder=f"toy-mlp-f{k}-0123abc{k:x}")
    (make_run(study, "x", 9, folder="toy-mlp-\x1b[31m-0123") / "status.json").write_text("{")
    path = tmp_path / "printed"
    stream = as_text(Output(path), "utf-8", line_buffering=True)
    before, sys.stdout = sys.stdout, stream
    try:
        report.main([str(study)])
        status.main([str(study)])
    finally:
        sys.stdout = before
        stream.close()
    return path.read_bytes().decode(), study


def test_report_and_status_print_no_control_characters(written: tuple[str, Path]) -> None:
    printed, study = written
    assert is_quiet(printed)
    assert r"\x1b]0;owned\x07" in printed
    assert "forged: line" in printed
    assert not any(line.startswith("forged") for line in printed.splitlines())
    assert f"{study}/toy-mlp-\\x1b[31m-0123" in printed


def test_a_report_computes_and_links_nothing(written: tuple[str, Path]) -> None:
    study = written[1]
    (folder,) = (study / "reports").iterdir()
    for path in folder.glob("*.csv"):
        assert not [cell for cell in cells(path.read_text()) if is_formula(cell)]
    assert any(cell == "'=cmd|' /C calc'!A0" for cell in cells((folder / "records.csv").read_text()))
    for path in folder.glob("*.md"):
        text = path.read_text()
        assert is_quiet(text)
        assert "<" not in text
        assert not re.search(r"(?<!\\)[\[`]|https?:|(?<!:)(?<!\\)//|www\.", text)


def test_a_page_has_no_element_of_a_name(written: tuple[str, Path]) -> None:
    (page,) = written[1].rglob("report.html")
    text = page.read_text(encoding="utf-8")
    found: list[str] = []

    class Images(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            found.extend([tag] if tag in ("img", "a", "script") else [])

    Images().feed(text)
    assert found == []
    assert is_quiet(text)


def test_a_report_stays_in_its_study(tmp_path: Path) -> None:
    study = tmp_path / "in" / "study"
    make_arm(study, "power", [0.9, 0.8], result={"data": "../../../outside", "model": "/absolute"}, folder="a-b-c-0123")
    before = {path for path in tmp_path.rglob("*") if study not in path.parents}
    report.main([str(study)])
    assert {path for path in tmp_path.rglob("*") if study not in path.parents} == before
    assert [path.parent.name[:20] for path in study.rglob("report.html")] == ["_._.._.._outside-_ab"]


def test_predictions_and_findings_are_written_as_text(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    predictions = [Prediction(name, (name,), (0.5,)) for name in HOSTILE]
    predictions += [Prediction("x", reason=name) for name in HOSTILE]
    texts = [path.read_text() for path in predict.write_predictions(run, predictions)]
    check.write_csv([Finding("train", name, "unusual", name) for name in HOSTILE], tmp_path / "check.csv")
    texts.append((tmp_path / "check.csv").read_text())
    for text in texts:
        assert not [cell for cell in cells(text) if is_formula(cell)]
        assert "'@SUM(1)" in cells(text)


@pytest.mark.parametrize("name", HOSTILE)
def test_an_error_prints_no_control_character(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = as_text(Output(tmp_path / "stderr"), "utf-8", line_buffering=True)
    monkeypatch.setattr(sys, "stderr", stream)

    def fails() -> None:
        raise UserError(f"{name} is refused")

    with pytest.raises(SystemExit):
        exit_on_user_error(fails)
    stream.close()
    printed = (tmp_path / "stderr").read_bytes().decode()
    assert is_quiet(printed)
    assert printed.count("\n") == 1


@pytest.mark.parametrize("escaped", [for_terminal, in_line, for_markdown, file_name])
@pytest.mark.parametrize("name", HOSTILE)
def test_nothing_is_left_to_obey(escaped: Callable[[str], str], name: str) -> None:
    text = escaped(name)
    assert is_quiet(text)
    if escaped is not for_terminal:
        assert "\n" not in text
    if escaped is file_name:
        assert re.fullmatch(r"[\w=][\w.=-]*", text)


@pytest.mark.parametrize("text", ["cross_entropy", "power q=0.7", "é ü 中 😀", "▲ better (about 3 more seeds)"])
def test_ordinary_names_stay_as_they_are(text: str) -> None:
    assert (for_terminal(text), in_line(text), for_csv(text), for_markdown(text)) == (text, text, text, text)


@pytest.mark.parametrize("cell", [-1.5, 3, True, None, "-0.5", "+1e-3", "-inf", "nan"])
def test_numbers_stay_numbers(cell: object) -> None:
    assert for_csv(cell) == cell
    assert csv_text([[cell, "x"]]) == f"{'' if cell is None else cell},x\n"


def test_a_progress_bar_may_return_to_its_line(tmp_path: Path) -> None:
    stream = as_text(Output(tmp_path / "out"), "utf-8", line_buffering=True)
    for text in ("\r 50 %", "\n\x1b[A", "\r\x1b[31m"):
        stream.write(text)
    stream.close()
    assert (tmp_path / "out").read_bytes() == b"\r 50 %\n\x1b[A\r\\x1b[31m"
    assert not BAR.fullmatch("\x1b[2J")
