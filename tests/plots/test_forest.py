"""A forest plot shows the differences it is given."""

from math import nan

import numpy as np
import pytest
from geometry import check_texts, names, words
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from lossbench.plots.forest import ForestRow, draw_forest

VERDICTS = ["better", "worse", "equivalent", "undecided"]


def rows(n: int) -> list[ForestRow]:
    means = np.random.default_rng(n).normal(size=n)
    pairs = zip(names(n), means, strict=True)
    return [
        ForestRow(name, mean, mean - 0.4, mean + 0.5, VERDICTS[k % 4], 5 + k) for k, (name, mean) in enumerate(pairs)
    ]


def marks(axes: Axes) -> list[tuple[float, float, str]]:
    lines = [line for line in axes.lines if line.get_linestyle() == "None"]
    return [(line.get_xdata()[0], line.get_ydata()[0], line.get_marker()) for line in lines]


@pytest.mark.parametrize("margin", [None, 0.5])
@pytest.mark.parametrize("n", [1, 7, 40])
def test_texts_lie_within_and_apart(n: int, margin: float | None) -> None:
    check_texts(draw_forest(rows(n), margin=margin, unit="percentage points", baseline=names(4)[3]))


def test_marks_and_intervals_are_where_the_numbers_are() -> None:
    given = rows(7)
    axes = draw_forest(given, margin=None, unit="points", baseline="b").axes[0]
    shapes = {"better": "^", "worse": "v", "equivalent": "s", "undecided": "o"}
    assert marks(axes) == [(row.mean, place, shapes[row.verdict]) for place, row in enumerate(given)]
    intervals = [
        list(line.get_xdata())
        for line in axes.lines
        if len(line.get_xdata()) == 2 and line.get_ydata()[0] == line.get_ydata()[1]
    ]
    assert intervals == [[row.low, row.high] for row in given]
    low, high = axes.get_xlim()
    assert low < min(0, *(row.low for row in given))
    assert high > max(0, *(row.high for row in given))
    assert axes.get_ylim() == (6.5, -0.5), "the first row is at the top"


def test_the_margin_is_shaded_on_both_sides_of_zero_and_named() -> None:
    figure = draw_forest([ForestRow("a", 0.01, 0, 0.02, "equivalent", 5)], margin=0.5, unit="points", baseline="b")
    (band,) = [patch for patch in figure.axes[0].patches if patch.get_gid() == "margin"]
    box = band.get_extents().transformed(figure.axes[0].transData.inverted())
    assert (box.x0, box.x1) == pytest.approx((-0.5, 0.5))
    assert figure.axes[0].get_xlim()[0] < -0.5
    assert "margin: ±0.5 points" in words(figure)
    bare = draw_forest(rows(2), margin=None, unit="points", baseline="b")
    assert not [patch for patch in bare.axes[0].patches if isinstance(patch, Patch) and patch.get_gid() == "margin"]
    assert "margin" not in words(bare)


def test_one_pair_has_a_dot_and_no_interval() -> None:
    figure = draw_forest([ForestRow("a", 0.3, nan, nan, "undecided", 1)], margin=None, unit="points", baseline="b")
    assert marks(figure.axes[0]) == [(0.3, 0, "o")]
    assert len(figure.axes[0].lines) == 2, "the dot and the zero line"
    assert "n = 1" in words(figure)
    assert "undecided" in words(figure)
    empty = draw_forest([ForestRow("a", nan, nan, nan, "no runs", 0)], margin=None, unit="points", baseline="b")
    assert marks(empty.axes[0]) == []


def test_the_axis_says_what_it_shows() -> None:
    figure = draw_forest(rows(1), margin=None, unit="points", baseline="ce $a$")
    assert r"difference from ce \$a\$ (points), right is better" in words(figure)
    assert "left is better" in words(draw_forest(rows(1), margin=None, unit="nats", baseline="b", higher="worse"))


@pytest.mark.parametrize(
    ("given", "options", "message"),
    [
        ([], {}, "rows must hold"),
        (rows(1), {"margin": -1.0}, "margin must be"),
        (rows(1), {"margin": nan}, "margin must be"),
        (rows(1), {"higher": "up"}, "higher must be"),
    ],
)
def test_wrong_arguments_are_said(given: list[ForestRow], options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        draw_forest(given, **{"margin": None, "unit": "points", "baseline": "b", **options})
