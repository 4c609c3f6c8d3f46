"""Calibration errors before and after scaling are where the numbers are."""

from math import nan

import pytest
from geometry import check_texts, names, words
from matplotlib.axes import Axes

from lossbench.plots.calibration import draw_calibration


@pytest.mark.parametrize("n", [1, 7, 40])
def test_texts_lie_within_and_apart(n: int) -> None:
    check_texts(draw_calibration(dict.fromkeys(names(n), (5.0, 4.0, 6.5)), dict.fromkeys(names(n), (1.0, 0.5, 1.25))))


@pytest.fixture
def axes() -> Axes:
    raw = {"a": (5.0, 4.0, 6.0), "b": (3.0, nan, nan), "c": (2.0, 1.0, 3.0)}
    scaled = {"a": (1.0, 0.5, 2.0), "b": (nan, nan, nan), "d": (1.0, 0.0, 2.0)}
    return draw_calibration(raw, scaled).axes[0]


def test_both_errors_are_drawn_and_joined(axes: Axes) -> None:
    marks = [line for line in axes.lines if line.get_linestyle() == "None"]
    places = [(line.get_xdata()[0], round(line.get_ydata()[0]), line.get_marker()) for line in marks]
    assert places == [(5, 0, "o"), (1, 0, "D"), (3, 1, "o"), (2, 2, "o"), (1, 3, "D")]
    spans = [list(line.get_xdata()) for line in axes.lines if line.get_linestyle() == "-"]
    assert spans == [[5, 1], [4, 6], [0.5, 2], [1, 3], [0, 2]]


def test_the_raw_error_is_hollow_and_the_axis_starts_at_0(axes: Axes) -> None:
    hollow = {line.get_marker() for line in axes.lines if line.get_markerfacecolor() != line.get_color()}
    assert hollow - {"None"} == {"o"}
    low, high = axes.get_xlim()
    assert (low, high > 6) == (0, True)
    assert "fitted on validation data" in words(axes.figure)


def test_wrong_arguments_are_said() -> None:
    with pytest.raises(ValueError, match="raw must hold at least one"):
        draw_calibration({}, {})
    with pytest.raises(ValueError, match="scaled must hold"):
        draw_calibration({"a": (1, 0, 2)}, {"a": (1, 2)})  # type: ignore[dict-item]
