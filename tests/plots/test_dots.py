"""Every run is a dot at its score."""

from math import nan

import numpy as np
import pytest
from geometry import check_texts, names, words

from lossbench.plots.dots import draw_dots


def scores(n: int, seeds: int = 5) -> dict[str, dict[int, float]]:
    generator = np.random.default_rng(n)
    return {name: {seed: float(97 + generator.normal()) for seed in range(seeds)} for name in names(n)}


@pytest.mark.parametrize(("n", "seeds"), [(1, 1), (7, 5), (7, 30), (40, 5)])
def test_texts_lie_within_and_apart(n: int, seeds: int) -> None:
    given = scores(n, seeds)
    check_texts(draw_dots(given, means=dict.fromkeys(given, (97.0, 96.5, 97.5)), unit="%", baseline=names(n)[-1]))


def test_dots_are_at_their_scores_and_a_seed_at_the_same_height_in_all_rows() -> None:
    given = {"a": {3: 1.0, 1: 2.0, 2: 3.0}, "b": {2: 5.0, 3: nan}}
    figure = draw_dots(given, means={}, unit="%", baseline=None)
    first, second = (line for line in figure.axes[0].lines if line.get_marker() == "o")
    assert (list(first.get_xdata()), list(second.get_xdata())) == ([1, 2, 3], [5])
    heights = dict(zip((3, 1, 2), first.get_ydata(), strict=True))
    assert heights[1] < heights[2] < heights[3]
    assert max(map(abs, heights.values())) < 0.5
    assert second.get_ydata()[0] - 1 == pytest.approx(heights[2])
    assert "n = 3" in words(figure)
    assert "n = 1" in words(figure)
    assert "seeds 1, 2, 3" in words(figure)


def test_means_and_intervals_are_drawn_where_there_are_some() -> None:
    given = {"a": {0: 1.0, 1: 3.0}, "b": {0: 2.0}, "c": {0: 2.5}}
    axes = draw_dots(given, means={"a": (2.0, 0.5, 3.5), "b": (2.0, nan, nan)}, unit="%", baseline="b").axes[0]
    ticks = [line.get_xdata()[0] for line in axes.lines if line.get_marker() == "None" and line.get_linestyle() == "-"]
    assert ticks == [2.0, 2.0]
    (area,) = axes.collections
    box = area.get_paths()[0].get_extents()
    assert (box.x0, box.x1) == (0.5, 3.5)
    assert -0.5 < box.y0 < box.y1 < 0.5
    (across,) = (line for line in axes.lines if line.get_linestyle() == ":")
    assert list(across.get_xdata()) == [2.0, 2.0]


def test_the_axis_says_the_unit() -> None:
    assert "score (%)" in words(draw_dots({"a": {0: 1.0}}, means={}, unit="%", baseline=None))
    assert "accuracy (%)" in words(draw_dots({"a": {}}, means={}, unit="accuracy (%)", baseline="a"))


def test_wrong_arguments_are_said() -> None:
    with pytest.raises(ValueError, match="scores must hold"):
        draw_dots({}, means={}, unit="%", baseline=None)
    with pytest.raises(ValueError, match="baseline must be one of a, got b"):
        draw_dots({"a": {0: 1.0}}, means={}, unit="%", baseline="b")
    with pytest.raises(ValueError, match="means must hold"):
        draw_dots({"a": {0: 1.0}}, means={"a": (1.0, 2.0)}, unit="%", baseline=None)  # type: ignore[dict-item]
