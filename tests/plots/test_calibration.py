"""Calibration errors before and after scaling are where the numbers are."""

from math import nan

import pytest
from geometry import check_texts, names, words

from lossbench.plots.calibration import draw_calibration


@pytest.mark.parametrize("n", [1, 7, 40])
def test_texts_lie_within_and_apart(n: int) -> None:
    check_texts(draw_calibration(dict.fromkeys(names(n), (5.0, 4.0, 6.5)), dict.fromkeys(names(n), (1.0, 0.5, 1.25))))


def test_both_errors_are_drawn_and_joined() -> None:
    figure = draw_calibration(
        {"a": (5, 4, 6), "b": (3, nan, nan), "c": (2, 1, 3)}, {"a": (1, 0.5, 2), "b": (nan, nan, nan), "d": (1, 0, 2)}
    )
    axes = figure.axes[0]
    marks = [
        (line.get_xdata()[0], round(line.get_ydata()[0]), line.get_marker())
        for line in axes.lines
        if line.get_linestyle() == "None"
    ]
    assert marks == [(5, 0, "o"), (1, 0, "D"), (3, 1, "o"), (2, 2, "o"), (1, 3, "D")]
    spans = [list(line.get_xdata()) for line in axes.lines if line.get_linestyle() == "-"]
    assert spans == [[5, 1], [4, 6], [0.5, 2], [1, 3], [0, 2]]
    hollow = {
        line.get_marker(): line.get_markerfacecolor() != line.get_color()
        for line in axes.lines
        if line.get_linestyle() == "None"
    }
    assert hollow == {"o": True, "D": False}
    assert axes.get_xlim()[0] == 0
    assert axes.get_xlim()[1] > 6
    assert "fitted on validation data" in words(figure)


def test_wrong_arguments_are_said() -> None:
    with pytest.raises(ValueError, match="raw must hold at least one"):
        draw_calibration({}, {})
    with pytest.raises(ValueError, match="scaled must hold"):
        draw_calibration({"a": (1, 0, 2)}, {"a": (1, 2)})  # type: ignore[dict-item]
