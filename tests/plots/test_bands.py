"""Curves go through the numbers they are given."""

from math import nan

import numpy as np
import pytest
from geometry import check_texts, names, words
from matplotlib.figure import Figure

from lossbench.plots.bands import Band, draw_bands, draw_lines

STEPS = np.arange(0, 1000, 10)
X = np.array([0.0, 1.0, 2.0])


def band(k: int = 0, n: int = 5) -> Band:
    mean = 2 * np.exp(-STEPS / (100 + 20 * k)) + 0.1
    return Band(STEPS, mean, mean - 0.05, mean + 0.05, n)


def lines(n: int) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
    return {name: (X, X + k, X + k - 0.5, X + k + 0.5) for k, name in enumerate(names(n))}


def bands(n: int, **options) -> Figure:
    return draw_bands(
        {name: band(k) for k, name in enumerate(names(n))}, **{"ylabel": names(4)[1], "title": names(4)[3], **options}
    )


@pytest.mark.parametrize("log_y", [False, True])
@pytest.mark.parametrize("n", [1, 7, 12, 40])
def test_texts_lie_within_and_apart(n: int, log_y: bool) -> None:
    figure = bands(n, log_y=log_y)
    check_texts(figure)
    assert figure.axes[0].get_yscale() == ("log" if log_y else "linear")


def test_the_key_is_outside_the_axes_and_says_n() -> None:
    figure = draw_bands({"a": band(), "b": band(1, n=1)}, ylabel="loss (nats)", title="")
    assert "a, n = 5" in words(figure)
    assert "b, n = 1" in words(figure)
    bottom = figure.axes[0].get_position().y0
    assert all(text.get_position()[1] < bottom for text in figure.texts if "n = " in text.get_text())


def test_lines_and_bands_are_the_numbers() -> None:
    given = {"a": band(), "b": Band(STEPS[:1], np.array([1.0]), np.array([nan]), np.array([nan]), 1)}
    axes = draw_bands(given, ylabel="loss", title="").axes[0]
    for line, curve in zip(axes.lines, given.values(), strict=True):
        assert np.array_equal(line.get_xydata(), np.stack([curve.steps, curve.mean], 1))
        places = np.arange(len(curve.steps))[slice(*(line.get_markevery()[0], None, line.get_markevery()[1]))]
        assert 1 <= len(places) <= 6
    shaded = axes.collections[0].get_paths()[0].vertices
    assert {tuple(point) for point in zip(STEPS, band().low, strict=True)} <= {tuple(point) for point in shaded}
    assert axes.collections[1].get_paths() == []
    assert len({(line.get_color(), line.get_marker(), str(line.get_linestyle())) for line in axes.lines}) == 2


def test_a_mean_of_0_is_not_drawn_on_a_logarithmic_axis() -> None:
    zero = Band(STEPS, 0 * STEPS, 0 * STEPS, 0 * STEPS, 2)
    assert draw_bands({"a": zero}, ylabel="loss", title="", log_y=True).axes[0].get_yscale() == "linear"


@pytest.mark.parametrize("n", [1, 7, 40])
def test_texts_of_lines_lie_within_and_apart(n: int) -> None:
    check_texts(draw_lines(lines(n), xlabel="loss.params.gamma", ylabel="accuracy (%)", baseline=(names(4)[3], 1.0)))


def test_lines_are_drawn_in_the_order_of_x() -> None:
    unordered = np.array([2.0, 0.0, 1.0])
    figure = draw_lines(
        {"a": (unordered, unordered + 5, unordered + 4, unordered + 6)}, xlabel="g", ylabel="acc", baseline=("ce", 5.5)
    )
    line, level = figure.axes[0].lines
    assert line.get_xydata().tolist() == [[0, 5], [1, 6], [2, 7]]
    assert [bar.tolist() for bar in figure.axes[0].collections[0].get_segments()] == [
        [[x, x + 4], [x, x + 6]] for x in (0, 1, 2)
    ]
    assert list(level.get_ydata()) == [5.5, 5.5]
    assert figure.axes[0].get_xscale() == "linear"


@pytest.mark.parametrize(
    ("x", "scale"), [([1, 30], "linear"), ([1, 31], "log"), ([0, 31], "linear"), ([1e-5, 1e-1], "log")]
)
def test_wide_positive_sweeps_are_logarithmic(x: list[float], scale: str) -> None:
    y = np.ones(2)
    figure = draw_lines({"a": (np.array(x, dtype=float), y, y * nan, y * nan)}, xlabel="x", ylabel="y", baseline=None)
    assert figure.axes[0].get_xscale() == scale
    check_texts(figure)


def test_wrong_arguments_are_said() -> None:
    with pytest.raises(ValueError, match="curves must hold at least one"):
        draw_bands({}, ylabel="", title="")
    with pytest.raises(ValueError, match="lines must hold at least one"):
        draw_lines({}, xlabel="", ylabel="", baseline=None)
    with pytest.raises(ValueError, match=r"curves\['a'\] must hold four arrays"):
        draw_bands({"a": Band(STEPS, STEPS[1:], STEPS, STEPS, 2)}, ylabel="", title="")
    with pytest.raises(ValueError, match=r"lines\['a'\] must hold four arrays"):
        draw_lines({"a": (np.array([]),) * 4}, xlabel="", ylabel="", baseline=None)
