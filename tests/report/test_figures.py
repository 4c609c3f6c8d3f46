"""The registry of figures: one function makes a figure, and one that is not drawn again leaves no file."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT
from made_runs import make_arm, read, write
from matplotlib.figure import Figure

from lossbench.errors import UserError
from lossbench.report import figures
from lossbench.report.figures import Drawing, figure
from lossbench.report.findings import Findings
from lossbench.report.publish import publish
from lossbench.report.spec import ComparisonSpec

SCORES = [0.80, 0.82, 0.84]
MINE = ("forest.png", "forest_2.svg", "cost.svg.bak", "thesis.pdf")


@pytest.fixture
def study(tmp_path: Path) -> Path:
    for loss in ("cross_entropy", "power"):
        make_arm(tmp_path / "study", loss, SCORES)
    return tmp_path / "study"


@pytest.fixture(autouse=True)
def registry(monkeypatch: pytest.MonkeyPatch) -> dict[str, figures.FigureFunction]:
    """A registry of the test's own, with two of the report's figures: drawing takes most of the time."""
    few = {name: figures.FIGURES[name] for name in ("forest", "cost")}
    monkeypatch.setattr(figures, "FIGURES", few)
    return few


def published(study: Path, **spec: str) -> Path:
    return publish(read(study), ComparisonSpec(**spec), study.parent / "out").parent


def drawn(report: Path) -> set[str]:
    return {path.name for path in (report / "figures").iterdir()}


def test_one_function_is_a_figure_of_the_report(study: Path) -> None:
    @figure("scratch")
    def scratch(findings: Findings) -> Iterator[Drawing]:
        for arm in findings.comparison.arms:
            yield Drawing(f"Scratch of {arm.label}", "What to see.", Figure(), arm.loss)

    report = published(study)
    assert {"scratch_power.svg", "scratch_power.pdf", "scratch_cross_entropy.svg"} <= drawn(report)
    page = (report / "report.html").read_text()
    assert '<figure id="scratch_power"><h3>Scratch of power</h3>' in page
    assert "<figcaption>What to see.</figcaption>" in page
    assert page.index('id="cost"') < page.index('id="scratch_cross_entropy"')


def test_the_figure_of_the_documentation_is_one_edit(study: Path) -> None:
    (block,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "add_a_figure.md").read_text(), re.DOTALL)
    exec(compile(block, "add_a_figure.md", "exec"), dict(vars(figures)))
    report = published(study)
    assert {"score_and_time.svg", "score_and_time.pdf"} <= drawn(report)
    assert "<h3>Score against time</h3>" in (report / "report.html").read_text()


def test_two_figures_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="there are two figures called forest"):
        figure("forest")(figures.FIGURES["cost"])


def test_a_figure_that_is_taken_out_leaves_no_file(study: Path, registry: dict[str, figures.FigureFunction]) -> None:
    report = published(study)
    assert drawn(report) == {"cost.svg", "cost.pdf", "forest.svg", "forest.pdf"}
    for name in MINE:
        (report / "figures" / name).touch()
    del registry["cost"]
    assert drawn(published(study)) == {*MINE, "forest.svg", "forest.pdf"}
    assert 'id="cost"' not in (report / "report.html").read_text()


def test_a_figure_that_no_longer_applies_leaves_no_file(study: Path) -> None:
    assert "forest.svg" in drawn(published(study))
    make_arm(study / "alone", "power", SCORES, settings={"loss.q": 0.5})
    report = publish(read(study / "alone"), ComparisonSpec(), study.parent / "out").parent
    assert drawn(report) == {"cost.svg", "cost.pdf"}


def test_a_report_that_was_interrupted_leaves_no_file(
    study: Path, registry: dict[str, figures.FigureFunction], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("lossbench.report.publish.write_table", interrupt)
        with pytest.raises(KeyboardInterrupt):
            published(study)
    del registry["cost"]
    assert drawn(published(study)) == {"forest.svg", "forest.pdf"}


def test_a_figure_that_cannot_be_removed_is_named(study: Path, registry: dict[str, figures.FigureFunction]) -> None:
    report = published(study)
    (report / "figures" / "cost.svg").unlink()
    (report / "figures" / "cost.svg").mkdir()
    del registry["cost"]
    with pytest.raises(UserError, match=r"cannot write .*/figures/cost\.svg: "):
        published(study)


@pytest.mark.parametrize("listed", [["../report.html"], ["notes.txt"], "forest.svg", [1], None])
def test_a_damaged_list_of_figures_removes_nothing(study: Path, listed: object) -> None:
    report = published(study)
    (report / "figures" / "notes.txt").touch()
    write(report / "figures.json", {"figures": listed})
    with pytest.raises(UserError, match=r"figures\.json is damaged: .*; delete it and make the report again"):
        published(study)
    assert (report / "report.html").exists()
    assert (report / "figures" / "notes.txt").exists()
