"""Figures in a page are whole, of its colours, and keep to themselves."""

import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib import colormaps
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from lossbench.errors import UserError
from lossbench.plots.forest import ForestRow, draw_forest
from lossbench.plots.heatmap import draw_heatmap
from lossbench.plots.theme import FAINT, GRID, INK, QUIET, colour, dashes, marker, save, to_svg


def forest(label: str = "focal $x$ <&>") -> Figure:
    return draw_forest(
        [ForestRow(label, 1, 0.5, 1.5, "better", 3)], margin=0.4, unit="points", baseline="cross_entropy"
    )


def heatmap() -> Figure:
    mean, invalid = np.array([[1.0, np.nan], [2.0, 3.0]]), np.array([[False, False], [True, False]])
    words = {"xlabel": "a", "ylabel": "b", "value": "accuracy (%)", "best_text": "best: 3"}
    return draw_heatmap(np.arange(2), np.arange(2), mean, invalid=invalid, best=(1, 1), **words)


def ids(svg: str) -> list[str]:
    return [element.attrib["id"] for element in ElementTree.fromstring(svg).iter() if "id" in element.attrib]


def targets(svg: str) -> set[str]:
    values = [value for element in ElementTree.fromstring(svg).iter() for value in element.attrib.items()]
    links = {value.removeprefix("#") for key, value in values if key.rpartition("}")[2] == "href"}
    return links | {found for _, value in values for found in re.findall(r"url\(#([^)]*)\)", value)}


def test_the_first_18_series_differ_without_colour_too() -> None:
    for look in (marker, dashes):
        assert len({(colour(k), look(k)) for k in range(18)}) == 18
    assert len({(marker(k), dashes(k)) for k in range(18)}) == 18
    assert len({marker(k) for k in range(6)}) == 6


def test_no_other_colour_is_taken_for_one_of_the_theme() -> None:
    others = {to_hex(shade) for shade in colormaps["cividis"](np.linspace(0, 1, 256))} | {colour(k) for k in range(6)}
    assert others.isdisjoint({INK, QUIET, GRID, FAINT})


@pytest.mark.parametrize("draw", [forest, heatmap])
def test_an_svg_is_an_element_of_its_own(draw) -> None:
    svg = to_svg(draw(), "first", 'a "title" <b> & more\x00')
    root = ElementTree.fromstring(svg)
    assert svg.startswith("<svg ")
    assert (root.attrib["role"], root.attrib["aria-label"], root[0].text) == ("img", *['a "title" <b> & more '] * 2)
    assert '<title>a "title" &lt;b&gt; &amp; more </title>' in svg
    assert svg.count("http") == svg.count("xmlns") == 1
    for banned in ("<image", "<style", "<metadata", "<script", "@import", "data:"):
        assert banned not in svg
    assert not [shade for shade in (INK, QUIET, GRID, FAINT) if shade in svg.lower()]
    assert {f"var(--{name})" in svg for name in ("ink", "quiet", "grid", "faint")} == {True} or draw is heatmap
    assert not re.search(r"<text[^>]*style=\"(?![^\"]*fill)", svg), (
        "a text without a colour is black on black in dark pages"
    )


def test_its_size_is_that_of_the_figure_in_css_pixels() -> None:
    figure = forest()
    root = ElementTree.fromstring(to_svg(figure, "first", ""))
    assert [float(root.attrib[key]) for key in ("width", "height")] == pytest.approx(
        96 * figure.get_size_inches(), rel=1e-4
    )
    assert [float(size) for size in root.attrib["viewBox"].split()[2:]] == pytest.approx(
        72 * figure.get_size_inches(), rel=1e-4
    )


@pytest.mark.parametrize("draw", [forest, heatmap])
def test_figures_of_a_page_keep_to_themselves(draw) -> None:
    first, second = to_svg(draw(), "a b", "t"), to_svg(draw(), "a_b", "t")
    assert set(ids(first)).isdisjoint(ids(second))
    for svg in (first, second):
        assert len(set(ids(svg))) == len(ids(svg))
        assert targets(svg)
        assert targets(svg) <= set(ids(svg))


def test_texts_stay_as_they_are_written() -> None:
    svg = to_svg(forest(f'$a$ {INK} id="x"'), "n", "t")
    said = [
        "".join(element.itertext()) for element in ElementTree.fromstring(svg).iter() if element.tag.endswith("}text")
    ]
    assert f'$a${INK}id="x"' in "".join(said).replace(" ", "")
    assert "n = 3" in said


def test_the_same_figure_gives_the_same_bytes(tmp_path: Path) -> None:
    figure = heatmap()
    assert to_svg(figure, "n", "t") == to_svg(figure, "n", "t") == to_svg(heatmap(), "n", "t")
    for kind, end in (("svg", b"</svg>\n"), ("pdf", b"%%EOF\n")):
        once, again = tmp_path / f"one.{kind}", tmp_path / "other" / f"one.{kind}"
        again.parent.mkdir(exist_ok=True)
        save(figure, once)
        save(heatmap(), again)
        assert once.read_bytes() == again.read_bytes()
        assert once.read_bytes().endswith(end)
    saved = (tmp_path / "one.svg").read_text()
    assert QUIET in saved
    assert "fill: #ffffff" in saved
    assert "var(" not in saved
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.pdf", "one.svg", "other"]


def test_what_cannot_be_saved_is_said(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"path must end in \.svg or \.pdf"):
        save(forest(), tmp_path / "one.docx")
    with pytest.raises(UserError, match="cannot write"):
        save(forest(), tmp_path / "missing" / "one.svg")


@pytest.mark.parametrize("draw", [forest, heatmap])
def test_a_saved_figure_gives_the_same_element_without_being_drawn_again(draw, tmp_path: Path) -> None:
    assert to_svg(save(draw(), tmp_path / "first.svg"), "first", "a title") == to_svg(draw(), "first", "a title")
