"""A heat map shows each pair's score at its place, and which pairs have none."""

import numpy as np
import pytest
from geometry import check_texts, names, words
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch, Rectangle

from lossbench.plots.heatmap import draw_heatmap
from lossbench.plots.theme import to_svg


def draw(mean: np.ndarray, invalid: np.ndarray | None = None, best: tuple[int, int] | None = None, **options) -> Figure:
    b, a = mean.shape
    given = {"xlabel": "alpha", "ylabel": "beta", "value": "accuracy (%)", "best_text": "best: 97.8 %", **options}
    x, y = given.pop("x", np.arange(a) / 7), given.pop("y", np.arange(b) / 3)
    return draw_heatmap(
        x, y, mean, invalid=np.zeros((b, a), dtype=bool) if invalid is None else invalid, best=best, **given
    )


def mesh(figure: Figure) -> QuadMesh:
    (found,) = figure.axes[0].findobj(QuadMesh)
    return found


@pytest.mark.parametrize(("b", "a"), [(1, 1), (7, 7), (8, 8), (40, 40), (1, 40), (40, 1), (3, 12)])
def test_texts_lie_within_and_apart(b: int, a: int) -> None:
    mean = np.linspace(90, 98.7654, a * b).reshape(b, a)
    invalid = mean > 97
    long = names(4)
    check_texts(draw(mean, invalid, (0, 0), xlabel=long[1], ylabel=long[3], value=long[1], best_text=" ".join(long)))
    check_texts(draw(1e-7 * mean, x=10.0 ** np.linspace(-9, -1, a), y=-(10.0 ** -np.linspace(-9, 9, b))))


def test_cells_are_the_scores_upwards() -> None:
    mean = np.array([[1.0, 2.0, 3.0], [4.0, np.nan, 6.0]])
    invalid = np.array([[False, True, False], [False, False, False]])
    figure = draw(mean, invalid)
    cells = mesh(figure).get_array().reshape(2, 3)
    assert np.ma.getmaskarray(cells).tolist() == [[False, True, False], [False, True, False]]
    assert cells.compressed().tolist() == [1, 3, 4, 6]
    low, high = figure.axes[0].get_ylim()
    assert low < high
    numbers = {text.get_position(): float(text.get_text()) for text in figure.axes[0].texts}
    assert numbers == {(0, 0): 1, (2, 0): 3, (0, 1): 4, (2, 1): 6}


@pytest.mark.parametrize("side", [3, 40])
def test_exactly_the_invalid_cells_are_hatched(side: int) -> None:
    invalid = np.random.default_rng(0).random((side, side)) < 0.3
    figure = draw(np.ones((side, side)), invalid)
    (patch,) = (patch for patch in figure.axes[0].patches if isinstance(patch, PathPatch))
    assert patch.get_hatch()
    middles = [cell.mean(0) for cell in (polygon[:-1] for polygon in patch.get_path().to_polygons())]
    assert {(round(y), round(x)) for x, y in middles} == {tuple(cell) for cell in np.argwhere(invalid).tolist()}
    assert "not a valid pair" in words(figure)
    assert "not run" not in words(figure)


def test_missing_cells_are_named() -> None:
    said = words(draw(np.array([[1.0, np.nan]])))
    assert "not run" in said
    assert "valid" not in said


def test_the_best_cell_is_framed_and_said() -> None:
    figure = draw(np.arange(6.0).reshape(2, 3), best=(1, 2))
    frames = [patch for patch in figure.axes[0].patches if isinstance(patch, Rectangle)]
    assert {frame.get_bbox().extents.tolist() == [1.5, 0.5, 2.5, 1.5] for frame in frames} == {True}
    assert "best: 97.8 %" in words(figure)
    assert not draw(np.ones((2, 2)), best_text="").axes[0].patches


def test_large_maps_have_no_numbers_and_are_drawn_as_vectors() -> None:
    figure = draw(np.random.default_rng(0).random((40, 40)))
    assert not figure.axes[0].texts
    svg = to_svg(figure, "map", "map")
    assert "<image" not in svg
    assert svg.count("<path") + svg.count("<use") > 1600
    assert not draw(np.ones((2, 9))).axes[0].texts
    assert len(draw(np.ones((8, 8))).axes[0].texts) == 64


def test_a_map_without_scores_has_no_colour_bar() -> None:
    figure = draw(np.full((2, 2), np.nan), np.array([[True, False], [False, False]]))
    assert len(figure.axes) == 1
    assert "not run" in words(figure)
    check_texts(figure)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": np.array([1.0, 0.0])}, "x must be ascending"),
        ({"y": np.array([[0.0], [1.0]])}, "y must be ascending"),
        ({"y": np.array([])}, "y must be ascending"),
        ({"x": np.arange(3)}, r"mean must have shape \(2, 3\)"),
        ({"invalid": np.zeros((2, 1), dtype=bool)}, r"invalid must have shape \(2, 2\)"),
        ({"invalid": np.zeros((2, 2))}, "invalid must be bool"),
        ({"best": (2, 0)}, "best must be"),
    ],
)
def test_wrong_arguments_are_said(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        draw(np.ones((2, 2)), **change)
