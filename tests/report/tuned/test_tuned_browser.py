"""The page of a fair fight in a real browser: the verdict, directly under it the crossing picture, nothing cut."""

from pathlib import Path

import pytest
from browser import BOXES, CONTRAST, CUT, NEEDS_BROWSER, Page
from made_tuned import DEFAULT, make_tuned, peak

from lossbench.report.tuned.publish import publish_tuned

pytestmark = NEEDS_BROWSER
WIDTHS = (320, 390, 599, 600, 759, 760, 768, 959, 960, 1200, 1360, 1920)
# JavaScript: where the headline, the table, the picture under it and the words below it begin and end.
PLACES = """Object.fromEntries([['headline', '.headline'], ['table', 'table'], ['forest', '#forest'],
  ['picture', '#after_trials'], ['words', '.top'], ['search', '#trials_optimizer_lr']].map(([name, what]) => {
    const box = document.querySelector(what).getBoundingClientRect(); return [name, [box.top, box.bottom]]; }))"""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study with long names, a trial that diverges, a range that is too narrow and a twin that differs."""

    def fragile(rate: float, replicate: int) -> float | None:
        return None if rate > 0.2 or rate == DEFAULT else peak(0.93, at=0.02)(rate, replicate)

    losses = {
        "cross_entropy": peak(0.9, at=0.02),
        "cosine_xent": peak(0.96, at=0.1),
        "generalized_cross_entropy_with_a_name_that_is_longer_than_a_phone": peak(0.9, at=DEFAULT),
        "power": fragile,
        "focal": peak(0.9, at=30.0),
    }
    tuned = make_tuned(tmp_path_factory.mktemp("runs"), losses, trials=16, replicates=range(8), twin=peak(0.97))
    return publish_tuned(tuned)


def test_the_crossing_picture_is_directly_under_the_verdict_and_begins_on_the_first_screen(
    page: Page, report: Path
) -> None:
    for width, height in ((1400, 960), (1920, 960)):
        page.open(report.as_uri(), width, height)
        places = page.run(PLACES)
        top, bottom = places["picture"]
        assert places["headline"][1] < places["table"][0]
        assert places["table"][1] < top < height
        assert top - places["table"][1] < 60
        assert bottom < places["words"][0] < places["search"][0]


def test_nothing_is_cut_and_every_figure_can_be_read(page: Page, report: Path) -> None:
    for width in WIDTHS:
        page.open(report.as_uri(), width)
        assert page.run("document.documentElement.scrollWidth") <= width
        assert (width, page.run(CUT)) == (width, [])
    figures = {figure["name"]: figure for figure in page.run(BOXES)}
    assert {"after_trials", "trials_optimizer_lr", "chosen_optimizer_lr", "seeds"} <= figures.keys()
    assert min(figure["smallest"] for figure in figures.values()) >= 8.5
    assert page.complaints() == []


@pytest.mark.parametrize("dark", [False, True])
def test_every_word_stands_out_from_the_paper(page: Page, report: Path, dark: bool) -> None:
    page.open(report.as_uri(), 1400, dark=dark)
    assert page.run(CONTRAST) >= 4.5  # WCAG AA
