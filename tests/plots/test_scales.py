"""Axes show all values, with round ticks that do not touch."""

from math import inf, nan

import numpy as np
import pytest

from lossbench.plots.scales import limits, set_scale, spell, spell_one
from lossbench.plots.sheet import Sheet, text_width


@pytest.mark.parametrize(
    "values", [[1.0, 2.0, nan, inf], [5.0], [0.0, 0.0], [-1e-9, 1e-9], [], [1e12, 1e12 + 1], [-3.0, -3.0]]
)
def test_limits_hold_the_values(values: list[float]) -> None:
    low, high = limits(values)
    assert low < high
    assert all(low <= value <= high for value in values if abs(value) < inf)


def test_logarithmic_limits_are_above_0() -> None:
    low, high = limits([0, -1, 1e-4, 10], log=True)
    assert 0 < low < 1e-4
    assert high > 10


def test_numbers_are_spelled_alike() -> None:
    assert spell([-0.5, 0, 0.25]) == ["−0.50", "0.00", "0.25"]
    assert spell([0, 1000]) == ["0", "1000"]
    assert spell([1e-5, 2e-5]) == ["1e−5", "2e−5"]
    assert [spell_one(value) for value in (1e10, 1e-7, 0.1, -2)] == ["1e10", "1e−7", "0.1", "−2"]


@pytest.mark.parametrize("room", [60.0, 120.0, 280.0])
@pytest.mark.parametrize(
    ("ends", "log"),
    [
        ((-1.3, 2.7), False),
        ((97.11, 97.19), False),
        ((0, 12345), False),
        ((1e-6, 3), True),
        ((0.2, 3), True),
        ((5, 6), True),
    ],
)
def test_ticks_lie_within_and_apart(ends: tuple[float, float], log: bool, room: float) -> None:
    axes = Sheet(100).axes(10, 10, room, 50)
    set_scale(axes, "x", ends, room, log=log)
    places, said = axes.get_xticks(), [label.get_text() for label in axes.get_xticklabels()]
    assert len(places) >= 2 or room < 100
    assert all(ends[0] <= place <= ends[1] for place in places)
    where = (
        np.log(places / ends[0]) / np.log(ends[1] / ends[0]) if log else (places - ends[0]) / (ends[1] - ends[0])
    ) * room
    widths = np.array([text_width(text, 8) for text in said])
    assert (np.diff(where) > (widths[1:] + widths[:-1]) / 2).all()
