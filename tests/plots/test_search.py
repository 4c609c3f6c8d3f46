"""Figures of a search: trials that diverge or lie below the axis are drawn at its foot, crossings on the lines."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from lossbench.plots.after_trials import draw_after_trials
from lossbench.plots.bands import Band
from lossbench.plots.chosen import Chosen, draw_chosen
from lossbench.plots.search import Searched, draw_search


def panel(y: list[float], chosen: int) -> Searched:
    """Trials at rising settings."""
    x = np.array([10.0 ** -(len(y) - k) for k in range(len(y))])
    return Searched(x, np.array(y), np.arange(len(y)) == chosen, 0.01)


def dots(figure: Figure, axes: int, marker: str) -> np.ndarray:
    """(k, 2) places of the dots with a marker."""
    lines = [line for line in figure.axes[axes].lines if line.get_marker() == marker]
    return np.concatenate([line.get_xydata() for line in lines])


@pytest.mark.parametrize(("best", "sign"), [("high", 1), ("low", -1)])
def test_what_diverged_or_is_far_worse_stands_at_the_foot(best: str, sign: int) -> None:
    y = [sign * value for value in (10, 94, 95, 96, 97, 96, 95, 94)]
    panels = {"a": panel([*y, np.nan], 4), "b": panel([*y, 0.5 * y[0]], 4)}
    figure = draw_search(panels, xlabel="lr", ylabel="%", log=True, best=best)
    low, high = figure.axes[0].get_ylim()
    foot = low if sign > 0 else high
    for axes, marker, count in ((0, "x", 1), (0, "v", 1), (1, "v", 2)):
        places = dots(figure, axes, marker)
        assert len(places) == count
        assert np.allclose(places[:, 1], foot, atol=0.05 * (high - low))
    assert len(dots(figure, 0, "o")) == 7
    assert figure.axes[0].get_ylim() == figure.axes[1].get_ylim()


def test_a_crossing_lies_on_the_line_of_the_baseline() -> None:
    steps = np.array([1.0, 2.0, 4.0])
    flat, rising = np.array([2.0, 2.0, 4.0]), np.array([1.0, 1.0, 5.0])
    none = np.full(3, np.nan)
    curves = {"base": Band(steps, flat, none, none, 3), "other": Band(steps, rising, none, none, 3)}
    axes = draw_after_trials(curves, ylabel="%", baseline="base", crossings=[2 * 2**0.5]).axes[0]
    ring = next(line for line in axes.lines if line.get_markerfacecolor() == "none")
    assert np.allclose(ring.get_xydata(), [[2 * 2**0.5, 3.0]])
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1", "2", "4"]


@pytest.mark.parametrize(("best", "sign"), [("high", 1.0), ("low", -1.0)])
def test_a_line_that_begins_far_away_does_not_press_the_others_together(best: str, sign: float) -> None:
    steps, none = np.array([1.0, 2.0]), np.full(2, np.nan)
    heights = {"base": [97.0, 98.0], "near": [96.0, 97.0], "far": [10.0, 97.5]}
    curves = {label: Band(steps, sign * np.array(line), none, none, 3) for label, line in heights.items()}
    figure = draw_after_trials(curves, ylabel="", baseline="base", best=best)  # pyright: ignore[reportArgumentType]
    ends = sorted(abs(end) for end in figure.axes[0].get_ylim())
    assert 88 < ends[0] < 91.5
    assert ends[1] < 99
    assert any("leave the axis" in text.get_text() for text in figure.texts)


def test_a_replicate_has_the_same_height_in_every_row() -> None:
    rows = {
        "a": Chosen({0: 0.1, 3: 0.2}, 0.15, 1e-3, 1.0, 0.01),
        "b": Chosen({3: 0.3}, 0.3, 1e-3, 1.0, 0.01, "too narrow"),
    }
    axes = draw_chosen(rows, xlabel="lr", log=True).axes[0]
    first, second = (line.get_xydata() for line in axes.lines if line.get_marker() == "o")
    assert axes.get_xscale() == "log"
    assert first[1][1] - 0 == pytest.approx(second[0][1] - 1)


def test_nothing_to_draw_is_an_error() -> None:
    for draw in (
        lambda: draw_search({}, xlabel="", ylabel="", log=True),
        lambda: draw_chosen({}, xlabel="", log=True),
        lambda: draw_after_trials({}, ylabel="", baseline=""),
    ):
        with pytest.raises(ValueError, match="must hold at least one entry, got none"):
            draw()
