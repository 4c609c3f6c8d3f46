"""The report and TensorBoard as a person sees them: in a real browser."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from browser import BOXES, CONTRAST, CUT, NEEDS_BROWSER, Page
from conftest import ROOT
from made_runs import make_arm, make_run, read
from typed import PATIENCE, TYPED, command

from lossbench.report.publish import publish
from lossbench.report.spec import ComparisonSpec

pytestmark = NEEDS_BROWSER
BASIC = ("-m", "hydra/launcher=basic", "data=digits")  # stacks have no times and no pictures of their own
SCORES = [0.81, 0.84, 0.83, 0.86, 0.88, 0.90, 0.85]
FIRST = "document.querySelector('table')"
# JavaScript: the size of the words in the forest plot, and where they are.
FOREST = """[...document.querySelectorAll('#forest .line > span, #forest text')].map(part => {
  const box = part.textContent ? part.getBoundingClientRect() : {left: 0, right: 1};
  return {size: parseFloat(getComputedStyle(part).fontSize), left: box.left, right: box.right}; })"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep of three losses, with TensorBoard's records, and a grid with invalid cells."""
    folder = tmp_path_factory.mktemp("runs")
    small = (*BASIC, "trainer.max_epochs=2", "seed=range(3)")
    losses = command(
        str(ROOT / "train.py"), *small, "loss=cross_entropy,cosine_xent,power", "figures=true", runs=folder
    )
    assert losses.returncode == 0, losses.stderr
    return folder


@pytest.fixture(scope="module")
def report(runs: Path) -> Path:
    """The report of the sweep and of a grid beside it."""
    words = (*BASIC, "trainer.max_epochs=2", "seed=0,1", "logger=none", "hydra.sweeper.report=false")
    grid = command(
        str(ROOT / "train.py"), *words, "loss=cosine_prob", "loss.alpha=0.5,1,2", "loss.beta=0,0.5,1", runs=runs
    )
    assert grid.returncode == 0, grid.stderr
    done = command(str(ROOT / "scripts" / "report.py"), str(runs), runs=runs)
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.rsplit("report: ", 1)[1].strip())


# Every width at which the layout changes, and one pixel below; phones, tablets and screens.
WIDTHS = (320, 360, 390, 480, 599, 600, 768, 959, 960, 1024, 1199, 1200, 1400, 1920)


def test_no_column_is_cut_at_any_width(page: Page, tmp_path: Path) -> None:
    make_arm(tmp_path / "study", "cross_entropy", SCORES, settings={"loss.label_smoothing": 0.123456})
    for k, name in enumerate(
        ("cosine_xent", "generalized_cross_entropy_with_a_name_that_is_longer_than_a_phone", "power")
    ):
        accuracies = [score - 0.17 * k + 0.001 * seed for seed, score in enumerate(SCORES)]
        make_arm(tmp_path / "study", name, accuracies, settings={"loss.xent_weight": 0.1234567, "loss.scale": 1e-7})
    for kind in ("a" * 70, "b"):
        make_arm(tmp_path / "study", "power", SCORES, settings={"loss.kind": kind})
        make_run(tmp_path / "study", "power", 99, settings={"loss.kind": kind}, state="failed")
    by_chance = [score + 0.12 * sign for score, sign in zip(SCORES, (1, -1, 1, -1, 1, -1, 0), strict=True)]
    make_arm(tmp_path / "study", "focal", by_chance)
    report = publish(read(tmp_path), ComparisonSpec())
    assert "no number of seeds or test examples is likely to decide it" in report.read_text()
    for width in WIDTHS:
        page.open(report.as_uri(), width)
        assert page.run("document.documentElement.scrollWidth") <= width
        assert (width, page.run(CUT)) == (width, [])
        assert page.run(f"getComputedStyle({FIRST}).display") == ("block" if width < 600 else "table")
        assert page.run(f"{FIRST}.rows.length") == 1 + 7


def test_the_forest_plot_can_be_read_on_a_phone(page: Page, report: Path) -> None:
    for width in (390, 1400):
        page.open(report.as_uri(), width)
        places = page.run(FOREST)
        assert len(places) > 5
        assert min(place["size"] for place in places) >= 12
        assert all(0 <= place["left"] < place["right"] <= width for place in places)


@pytest.mark.parametrize("width", [390, 1400])
@pytest.mark.parametrize("dark", [False, True])
def test_the_report_is_whole_and_readable(page: Page, report: Path, tmp_path: Path, width: int, dark: bool) -> None:
    page.open(report.as_uri(), width, dark=dark)
    assert page.complaints() == []
    assert page.fetched() == [report.as_uri()]
    assert page.run("document.documentElement.scrollWidth") <= width
    figures = page.run(BOXES)
    names = {"seeds", "curves", "calibration", "cost", "heatmap_cosine_prob"}
    assert names <= {figure["name"] for figure in figures}
    assert [figure for figure in figures if not is_readable(figure, width)] == []
    page.screenshot(tmp_path / "report.png")
    assert (tmp_path / "report.png").stat().st_size > 50_000


def is_readable(figure: dict[str, Any], width: int) -> bool:
    """Whether a figure lies within the page, holds marks, and no text is below 8.5 CSS pixels."""
    lies_within = figure["left"] >= 0 and figure["right"] <= width
    return lies_within and figure["height"] > 60 and figure["marks"] > 5 and figure["smallest"] >= 8.5


# Of words on the paper, not of numbers on the coloured cells of a heat map.


@pytest.mark.parametrize("dark", [False, True])
def test_every_word_stands_out_from_the_paper(page: Page, report: Path, dark: bool) -> None:
    page.open(report.as_uri(), 1400, dark=dark)
    assert page.run(CONTRAST) >= 4.5  # WCAG AA


def test_the_verdict_is_in_the_page_and_in_its_tables(page: Page, report: Path) -> None:
    page.open(report.as_uri(), 1400)
    rows = page.run("[...document.querySelectorAll('table')][0].innerText")
    assert "baseline" in rows
    assert "undecided" in rows
    assert "Too few seeds" in page.run("document.body.innerText")
    assert "| cross_entropy | baseline |" in (report.parent / "verdict.md").read_text()


WORDS = """(() => { const seen = []; const walk = node => { if (node.shadowRoot) walk(node.shadowRoot);
  for (const child of node.childNodes) {
    if (child.nodeType === 3) seen.push(child.textContent); else if (child.nodeType === 1) walk(child); } };
  walk(document.body); return seen.join(' ').replace(/\\s+/g, ' '); })()"""


def has_read(address: str, runs: int) -> bool:
    """Whether TensorBoard knows the scores of so many runs; a page opened before that stays empty."""
    try:
        with urlopen(f"{address}/data/plugin/scalars/tags") as response:
            tags = json.load(response)
    except URLError:
        return False
    return sum("test/accuracy" in names for names in tags.values()) == runs


@pytest.fixture(scope="module")
def tensorboard(runs: Path) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    program = str(Path(sys.executable).with_name("tensorboard"))
    words = [program, "--logdir", str(runs), "--host", "127.0.0.1", "--port", str(port), "--load_fast=false"]
    process = subprocess.Popen(words, env=TYPED, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    limit = time.monotonic() + PATIENCE
    while time.monotonic() < limit and not has_read(f"http://127.0.0.1:{port}", runs=9):
        time.sleep(0.2)
    yield f"http://127.0.0.1:{port}"
    process.kill()
    process.wait()


@pytest.mark.parametrize(
    ("tab", "words"),
    [
        ("timeseries", ("epoch", "Smoothed", "seed2/tensorboard")),
        ("scalars", ("Show data download links", "epoch", "train", "val")),
        ("images", ("confusion", "reliability")),
        ("hparams", ("loss.name", "cross_entropy", "cosine_xent", "power", "seed", "test/accuracy")),
    ],
)
def test_tensorboard_shows_the_sweep(page: Page, tensorboard: str, tab: str, words: tuple[str, ...]) -> None:
    page.open(f"{tensorboard}/#{tab}", 1400)
    page.wait(f"{json.dumps(words)}.every(word => {WORDS}.includes(word))")
    if tab == "hparams":  # what differs between the runs comes first
        said = page.run(WORDS)
        assert 0 < said.index("loss.name") < said.index("data.batch_size")
