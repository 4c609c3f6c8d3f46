"""docs/losses.md is what the docstrings and the atlas say today."""

import re
from pathlib import Path

import pytest
from conftest import ROOT

from lossbench.atlas.catalog import registered
from lossbench.atlas.document import text_of, write_docs
from lossbench.atlas.measure import measure

DOCS = ROOT / "docs"
KNOWN = registered(ROOT / "conf" / "loss")
STALE = "run lossbench atlas --docs"


def test_the_document_is_in_step() -> None:
    text = text_of(list(KNOWN.values()), {name: measure(entry) for name, entry in KNOWN.items()})
    assert (DOCS / "losses.md").read_text() == text, STALE


def test_its_pictures_are_there_and_small() -> None:
    named = set(re.findall(r"\]\((img/losses/[\w.]+)\)", (DOCS / "losses.md").read_text()))
    there = list((DOCS / "img" / "losses").iterdir())
    assert {path.name for path in there} == {Path(name).name for name in named}, STALE
    assert {"cosine_prob.svg", "family.svg"} <= {path.name for path in there}
    assert sum(path.stat().st_size for path in there) < 1_500_000
    assert all("<style>" in path.read_text() and "<script" not in path.read_text() for path in there)


@pytest.mark.parametrize("name", KNOWN)
def test_every_loss_says_its_formula_and_reference(name: str) -> None:
    words = KNOWN[name].words
    assert words.summary.endswith(".")
    assert "=" in words.formula
    assert words.said("Reference")


def test_pictures_of_losses_that_are_gone_are_removed(tmp_path: Path) -> None:
    (tmp_path / "img" / "losses").mkdir(parents=True)
    (tmp_path / "img" / "losses" / "gone.svg").write_text("<svg/>")
    write_docs([KNOWN["power"], KNOWN["cosine"]], tmp_path)
    assert {path.name for path in (tmp_path / "img" / "losses").iterdir()} == {"power.svg", "cosine.svg"}
    text = (tmp_path / "losses.md").read_text()
    assert "**Pitfalls.**" in text
    assert "    L = (1 - p_y^q) / q" in text
