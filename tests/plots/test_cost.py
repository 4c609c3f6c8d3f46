"""Costs are drawn from zero, in a unit one can read."""

from math import nan

import pytest
from geometry import check_texts, names, words

from lossbench.plots.cost import draw_cost


@pytest.mark.parametrize("n", [1, 7, 40])
def test_texts_lie_within_and_apart(n: int) -> None:
    check_texts(draw_cost({name: (10.0 * k, 9.0 * k, 12.0 * k) for k, name in enumerate(names(n))}, unit="s"))


@pytest.mark.parametrize(
    ("seconds", "unit", "shown", "label"),
    [
        (100, "s", 100, "time per run (s)"),
        (600, "s", 10, "time per run (min)"),
        (36000, "seconds", 10, "time per run (h)"),
        (600, "s per epoch", 10, "time per epoch (min)"),
        (600, "GiB", 600, "GiB"),
        (600, "samples", 600, "samples"),
    ],
)
def test_the_unit_suits_the_largest(seconds: float, unit: str, shown: float, label: str) -> None:
    figure = draw_cost(
        {"a": (seconds, seconds * 0.9, seconds * 1.1), "b": (seconds / 2, nan, nan), "c": (nan, nan, nan)}, unit=unit
    )
    axes = figure.axes[0]
    marks = [(line.get_xdata()[0], line.get_ydata()[0]) for line in axes.lines if line.get_marker() == "o"]
    assert marks == [(pytest.approx(shown), 0), (pytest.approx(shown / 2), 1)]
    (interval,) = [line.get_xdata() for line in axes.lines if line.get_linestyle() == "-"]
    assert list(interval) == pytest.approx([shown * 0.9, shown * 1.1])
    assert axes.get_xlim()[0] == 0
    assert label in words(figure).split("\n")


def test_wrong_arguments_are_said() -> None:
    with pytest.raises(ValueError, match="rows must hold at least one"):
        draw_cost({}, unit="s")
    with pytest.raises(ValueError, match="rows must hold"):
        draw_cost({"a": (1.0,)}, unit="s")  # type: ignore[dict-item]
