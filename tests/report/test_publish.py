"""A report on disk: whole, the same again, escaped, and without a reference to anything outside it."""

import csv
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from made_runs import change, compare_runs, make_arm, make_run, read

from lossbench.errors import UserError
from lossbench.plots.page import page_template
from lossbench.report.page.about_runs import ranges
from lossbench.report.publish import default_folder, publish, publish_all
from lossbench.report.spec import ComparisonSpec
from lossbench.report.tables import Table

BASE = [0.80, 0.82, 0.84, 0.86, 0.88, 0.90]
SCRIPT = "<script>alert('1 & 2')</script>"
VOID = {"meta", "br", "wbr", "img", "link", "hr", "input"}


class Page(HTMLParser):
    """Tags, attributes and text of a page; every tag that opens must close."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def nasty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report on runs whose every text is markup."""
    study = tmp_path_factory.mktemp("nasty") / "study"
    make_arm(
        study,
        "cross_entropy",
        BASE,
        result={"command": ["train.py", f"loss={SCRIPT}"], "device": "<i>cpu</i>", "model": "<u>&mlp"},
    )
    make_arm(study, "<img src=x onerror=alert(1)>", [0.9] * 6)
    for kind in (SCRIPT, "&lt;b&gt;", '"quoted" %', "$x^"):
        make_arm(study, "power", BASE[::-1], settings={"loss.kind": kind})
    for q in (1, 2, 3):
        for p in (1, 2):
            make_run(
                study, "swept<b>&", settings={"loss.q": q, "loss.p": p}, state="invalid" if (q, p) == (3, 2) else "done"
            )
    make_run(study, "cosine", state="failed", status={"reason": f"{SCRIPT} became nan \udcff"})
    return publish(read(study), ComparisonSpec())


def test_every_text_from_a_run_is_escaped(nasty: Path) -> None:
    page = Page(nasty.read_text(encoding="utf-8"))
    assert not {"script", "img", "iframe", "object", "link", "b>", "u", "i"} & set(page.tags)
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    words = " ".join(page.text.replace("\u00a0", " ").split())
    for text in (
        f"power kind={SCRIPT}",
        "power kind=&lt;b&gt;",
        'power kind="quoted" %',
        "power kind=$x^",
        "<img src=x onerror=alert(1)>",
        "<i>cpu</i>",
        "<u>&mlp",
        f"{SCRIPT} became nan",
        "swept<b>&: test/accuracy over p and q",
    ):
        assert text in words
    assert "python train.py 'loss=<script>alert('\"'\"'1 & 2'\"'\"')</script>'" in words


def test_nothing_outside_the_page_is_named(nasty: Path) -> None:
    text = nasty.read_text(encoding="utf-8").replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert not re.search(r"https?:|//|@import|@font-face|<link|<base", text)
    page = Page(text)
    places = [
        value
        for name, value in page.attributes
        if name in ("src", "href", "xlink:href", "srcset", "action", "data", "poster")
    ]
    assert all(place.startswith("#") for place in places)
    assert set(re.findall(r"url\((.)", text)) <= {"#"}
    assert ("content", "default-src 'none'; style-src 'unsafe-inline'; img-src data:") in page.attributes


def test_ids_are_unique_and_every_link_inside_a_picture_leads_somewhere(nasty: Path) -> None:
    page = Page(nasty.read_text(encoding="utf-8"))
    ids = [value for name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    assert {value[1:] for name, value in page.attributes if name == "href"} <= set(ids)


def test_the_pictures_are_whole(nasty: Path) -> None:
    names = sorted(path.name for path in (nasty.parent / "figures").iterdir())
    pictures = ("calibration", "cost", "curves", "forest", "heatmap_swept<b>&", "seeds")
    assert names == sorted(f"{name}.{kind}" for name in pictures for kind in ("svg", "pdf"))
    for path in (nasty.parent / "figures").glob("*.svg"):
        ElementTree.parse(path)
    assert all(path.read_bytes().startswith(b"%PDF") for path in (nasty.parent / "figures").glob("*.pdf"))


def test_all_runs_are_in_the_records(nasty: Path) -> None:
    with open(nasty.parent / "records.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 6 * 6 + 6 + 1
    for row in rows:
        if row["status"] == "done":
            result = json.loads((Path(row["path"]) / "result.json").read_text())
            assert {name: float(row[name]) for name in result["metrics"]} == result["metrics"]


@pytest.fixture
def study(tmp_path: Path) -> Path:
    make_arm(tmp_path / "study", "cross_entropy", BASE)
    make_arm(tmp_path / "study", "power", [score + 0.01 for score in BASE])
    return tmp_path / "study"


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports without pictures, where these say nothing: drawing takes most of the time."""
    monkeypatch.setattr("lossbench.report.loss_comparison.draw_figures", lambda *_: [])


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_same_runs_give_the_same_report(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = publish(read(study), ComparisonSpec())
    before, printed = files(page.parent), capsys.readouterr().out
    assert publish(read(study), ComparisonSpec()) == page
    assert files(page.parent) == before
    assert capsys.readouterr().out == printed
    assert set(before) >= {
        "report.html",
        "records.csv",
        "verdict.csv",
        "verdict.md",
        "details.md",
        "more.csv",
        "more.md",
    }


@pytest.mark.usefixtures("undrawn")
def test_the_order_of_the_runs_changes_no_number(study: Path, tmp_path: Path) -> None:
    records = read(study)
    found = [
        files(publish(order, ComparisonSpec(), tmp_path / name).parent)
        for name, order in (("a", records), ("b", records[::-1]))
    ]
    for name in ("verdict.csv", "verdict.md", "details.md", "more.csv", "more.md"):
        assert found[0][name] == found[1][name]


@pytest.mark.usefixtures("undrawn")
def test_the_verdict_is_printed_with_what_to_know_before_believing_it(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_run(study, "cosine", state="failed")
    page = publish(read(study), ComparisonSpec(margin=0.01))
    lines = capsys.readouterr().out.strip().split("\n")
    assert lines[0] == "test/accuracy of every loss, and paired by seed against cross_entropy"
    assert lines[3].split()[:2] == ["loss", "verdict"]
    assert lines[7].startswith("Train with power: it is better than cross_entropy on this split, +1.00 points")
    assert "  - 1 more run is failed and not in this report." in lines
    assert lines[-1] == f"report: {page}"


@pytest.mark.usefixtures("undrawn")
def test_a_report_of_a_sweep_that_is_not_done_judges_nothing(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = make_run(study, "cosine", state="running")
    page = publish(read(study), ComparisonSpec())
    lines = capsys.readouterr().out.strip().split("\n")
    assert lines[7] == "Not judged yet: 1 run of this comparison is still to be done."
    assert "  - 1 more run is running and not in this report." in lines
    assert "not judged yet" in page.read_text()
    assert not (study / "journal.jsonl").exists()
    change(path / "status.json", status="failed")
    publish(read(study), ComparisonSpec())
    assert "Train with power" in capsys.readouterr().out
    assert (study / "journal.jsonl").exists()


@pytest.mark.usefixtures("undrawn")
def test_a_long_table_is_cut_on_the_screen_not_in_the_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for k in range(45):
        make_run(tmp_path / "study", "power", accuracy=0.5 + k / 1000, settings={"loss.q": k})
    page = publish(read(tmp_path), ComparisonSpec())
    assert "... and 5 more in the report" in capsys.readouterr().out
    assert len((page.parent / "verdict.csv").read_text().splitlines()) == 46
    assert len((page.parent / "verdict.md").read_text().splitlines()) == 2 + 2 + 45


@pytest.mark.usefixtures("undrawn")
def test_runs_without_a_result_are_listed_with_place_and_reason(study: Path) -> None:
    for seed in range(40, 75):
        make_run(study, "power", seed, state="failed", status={"reason": f"reason {seed}"})
    text = Page(publish(read(study), ComparisonSpec()).read_text()).text
    name = next(study.glob("*power*")).name
    assert f"failed study/{name}/seed40: reason 40" in text
    assert len(re.findall("reason [0-9]+", text)) == 30
    assert "35 more runs are failed and not in this report." in text


def test_more_seeds_write_over_the_report_more_arms_do_not(study: Path) -> None:
    make_arm(study, "inverse", BASE)
    before = default_folder(compare_runs(study), ComparisonSpec())
    assert before.parent == study / "reports"
    assert before.name.startswith("digits-mlp-")
    for loss, accuracy in (("cross_entropy", 0.9), ("power", 0.1), ("inverse", 0.95)):  # the order of the arms turns
        make_run(study, loss, 6, accuracy=accuracy)
    assert default_folder(compare_runs(study), ComparisonSpec()) == before
    others = [default_folder(compare_runs(study, metric="test/nll"), ComparisonSpec(metric="test/nll"))]
    make_run(study, "cosine")
    others.append(default_folder(compare_runs(study), ComparisonSpec()))
    assert len({before, *others}) == 3


def test_another_question_has_another_folder(study: Path) -> None:
    questions = (
        {},
        {"baseline": "power"},
        {"margin": 0.02},
        {"margin": 0.03},
        {"metric": "test/brier"},
        {"metric": "test/accuracy"},
    )
    folders = [default_folder(compare_runs(study, **spec), ComparisonSpec(**spec)) for spec in questions]
    assert len({*folders}) == 5
    assert folders[5] == folders[0]  # the same metric, named


@pytest.mark.parametrize("inside", [False, True])
def test_runs_may_be_named_from_where_they_lie(study: Path, monkeypatch: pytest.MonkeyPatch, inside: bool) -> None:
    run = next(study.glob("*power*/seed0"))
    monkeypatch.chdir(run if inside else run.parent)
    assert (
        default_folder(compare_runs(Path() if inside else Path("seed0")), ComparisonSpec()).parent == study / "reports"
    )


@pytest.mark.parametrize("name", ["file", "file/deeper", "a" * 300])
def test_a_report_that_cannot_be_written_says_where(study: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot write") as caught:
        publish(read(study), ComparisonSpec(), tmp_path / name)
    assert str(tmp_path / name) in str(caught.value)


@pytest.mark.usefixtures("undrawn")
def test_a_file_that_cannot_be_replaced_says_which(study: Path, tmp_path: Path) -> None:
    (tmp_path / "out" / "report.html").mkdir(parents=True)
    with pytest.raises(UserError, match=r"cannot write .*out/report\.html: Is a directory"):
        publish(read(study), ComparisonSpec(), tmp_path / "out")


@pytest.mark.usefixtures("undrawn")
def test_a_report_may_go_anywhere(study: Path, tmp_path: Path) -> None:
    assert publish(read(study), ComparisonSpec(), tmp_path / "new" / "out") == tmp_path / "new" / "out" / "report.html"
    assert not (study / "reports").exists()


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("out", [None, "out"])
def test_several_reports_have_folders_and_titles_of_their_own(
    study: Path, tmp_path: Path, out: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / out if out else None
    for loss, accuracy in (("cross_entropy", 0.7), ("power", 0.8)):
        make_run(study, loss, accuracy=accuracy, settings={"trainer.max_epochs": 5})
    publish_all(read(study), ComparisonSpec(), folder)
    pages = sorted((folder or study / "reports").glob("*/report.html"))
    titles = sorted(re.findall("<h1>(.*)</h1>", page.read_text())[0] for page in pages)
    assert titles == [f"Which loss? digits, mlp, max_epochs={epochs}" for epochs in (30, 5)]
    printed = capsys.readouterr().out
    for epochs in (5, 30):
        line = f"max_epochs={epochs}: test/accuracy of every loss, and paired by seed against cross_entropy\n"
        assert line in printed
    if folder is not None:
        assert sorted(path.name for path in folder.iterdir()) == ["1", "2"]


@pytest.mark.usefixtures("undrawn")
def test_one_report_lies_where_it_was_asked_for(study: Path, tmp_path: Path) -> None:
    make_run(study, "power", settings={"optimizer.lr": 0.1})
    publish_all(read(study), ComparisonSpec(), tmp_path / "out")
    assert (tmp_path / "out" / "report.html").exists()
    assert "<h1>Which loss? digits, mlp</h1>" in (tmp_path / "out" / "report.html").read_text()


@pytest.mark.parametrize(("numbers", "text"), [([3, 1, 2], "1-3"), ([7, 0, 1, 4], "0-1, 4, 7"), ([5], "5"), ([], "")])
def test_seeds_are_worded_as_ranges(numbers: list[int], text: str) -> None:
    assert ranges(numbers) == text


@pytest.mark.usefixtures("undrawn")
def test_commands_are_shown_once_as_they_are_typed(study: Path) -> None:
    for seed, command in enumerate(
        (["train.py", "-m", "loss=a b"], ["scripts/x.py"], ["python", "-m", "lossbench.job"], []), 10
    ):
        change(make_run(study, "power", seed) / "result.json", command=command)
    page = Page(publish(read(study), ComparisonSpec()).read_text())
    shown = page.text[
        page.text.index("What was run") : page.text.index("baseline", page.text.index("What was run"))
    ].split("\n")
    assert [line for line in shown if line and "runs of" not in line and "What was" not in line] == [
        "python train.py experiment=digits_losses",
        "python train.py -m 'loss=a b'",
        "python scripts/x.py",
        "python -m lossbench.job",
    ]


@pytest.mark.parametrize(("rows", "shown"), [(200, 200), (201, 200)])
def test_a_page_of_very_many_settings_shows_the_first_and_says_where_the_others_are(rows: int, shown: int) -> None:
    table = Table("verdict", "Losses", ["loss", "n"], [[f"power q={k}", "3"] for k in range(rows)])
    module: Any = page_template("lossbench.report.page").environment.get_template("table.html").module
    page = module.show(table, "wide")
    assert page.count("<tr ") == 1 + shown
    assert ("The first 200 of 201 rows; the files beside this page have all of them." in page) == (rows > shown)
