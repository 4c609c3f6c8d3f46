"""The atlas as a person sees it: in a real browser."""

import os
from pathlib import Path
from typing import Any

import pytest
from browser import BOXES, CONTRAST, NEEDS_BROWSER, Page
from conftest import ROOT
from typed import command

from lossbench.atlas.catalog import registered

pytestmark = NEEDS_BROWSER


@pytest.fixture(scope="module")
def atlas(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All losses, in less than a minute of a core."""
    folder, before = tmp_path_factory.mktemp("atlas"), os.times()
    done = command(str(ROOT / "scripts" / "atlas.py"), "--out", str(folder), runs=folder, fresh=True)
    assert (done.returncode, done.stderr) == (0, "")
    after = os.times()
    assert after.children_user - before.children_user + after.children_system - before.children_system < 60
    return folder / "atlas.html"


FORMULAS = """[...document.querySelectorAll('.formula')].map(node => ({text: node.innerText,
  right: node.getBoundingClientRect().right,
  overflow: node.scrollWidth - node.clientWidth,
  smallest: Math.min(...[node, ...node.querySelectorAll('sub, sup')]
    .map(part => parseFloat(getComputedStyle(part).fontSize)))}))"""


@pytest.mark.parametrize("width", [390, 1400])
@pytest.mark.parametrize("dark", [False, True])
def test_the_atlas_is_whole_and_readable(page: Page, atlas: Path, width: int, dark: bool) -> None:
    page.open(atlas.as_uri(), width, dark=dark)
    assert page.complaints() == []
    assert page.fetched() == [atlas.as_uri()]
    assert page.run("document.documentElement.scrollWidth") <= width
    figures = page.run(BOXES)
    names = registered(ROOT / "conf" / "loss")
    assert {"family", "cosine_prob-curve", "cosine_prob-alpha", "power-q", "cosine-chance", "inverse-contour"} <= {
        f["name"] for f in figures
    }
    for figure in figures:
        assert_readable(figure, width)
    formulas = page.run(FORMULAS)
    assert len(formulas) == len(names)
    for formula in formulas:
        assert formula["right"] <= width, formula
        assert formula["overflow"] <= 0, formula
        assert formula["smallest"] >= 10, formula  # CSS pixels, of raised and lowered letters too
        assert not set("^`") & set(formula["text"]), formula


def assert_readable(figure: dict[str, Any], width: int) -> None:
    assert 0 <= figure["left"] < figure["right"] <= width, figure
    assert figure["height"] > 60, figure
    assert figure["marks"] > 5, figure
    assert figure["smallest"] >= 8.5, figure  # CSS pixels


@pytest.mark.parametrize("dark", [False, True])
def test_every_word_of_the_atlas_stands_out(page: Page, atlas: Path, dark: bool) -> None:
    page.open(atlas.as_uri(), 1400, dark=dark)
    assert page.run(CONTRAST) >= 4.5  # WCAG AA


def test_every_link_leads_to_a_loss(page: Page, atlas: Path) -> None:
    page.open(atlas.as_uri(), 1400)
    assert page.run(
        "[...document.querySelectorAll('nav a')].every(link => document.querySelector(link.hash.replace('.', '\\\\.')))"
    )
