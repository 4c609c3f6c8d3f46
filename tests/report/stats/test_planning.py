"""What a plan promises is what studies of that size find."""

import numpy as np
import pytest

from lossbench.report.stats.planning import planned_spread, power, smallest_difference, units_needed
from lossbench.report.stats.verdict import Differences, judge


def found(R: int, m: int, difference: float, margin: float | None, repeats: int) -> dict[str, float]:
    """Share of studies that say each word of a loss with this difference, in standard deviations, among m."""
    stream, words = np.random.default_rng((R, m)), []
    for _ in range(repeats):
        scores = stream.normal(size=(R, m + 1)) / np.sqrt(2)
        d = scores[:, 1:] - scores[:, :1] + difference * np.eye(m)[0]
        family = {str(k): Differences(np.arange(R), d[:, k]) for k in range(m)}
        words.append(judge(family, margin, design="split")["0"].verdict)
    return {word: words.count(word) / repeats for word in ("better", "equivalent")}


@pytest.mark.parametrize(("R", "m", "difference"), [(8, 6, 1.5), (12, 3, 1.0)])
def test_a_difference_is_found_as_often_as_planned(R: int, m: int, difference: float) -> None:
    planned = power(difference, planned_spread(R, None, 1.0), m).different
    assert found(R, m, difference, None, 300)["better"] == pytest.approx(planned, abs=0.08)


def test_equal_losses_are_equivalent_as_often_as_planned() -> None:
    planned = power(0.0, planned_spread(16, None, 1.0), 3, margin=1.0).equivalent
    assert 0.5 < planned < 0.97
    assert found(16, 3, 0.0, 1.0, 300)["equivalent"] == pytest.approx(planned, abs=0.08)


def test_the_smallest_difference_is_found_with_80_percent() -> None:
    spread = planned_spread(12, 360, 0.004, 0.2)
    least = smallest_difference(spread, 6)
    assert least is not None
    assert power(least, spread, 6).different == pytest.approx(0.8, abs=1e-6)
    assert least > (smallest_difference(spread, 1) or 0) > 0
    assert (smallest_difference(spread.with_units(40), 6) or 1) < least


def test_the_units_needed_are_the_first_that_are_enough() -> None:
    spread = planned_spread(6, None, 1.0)
    needed = units_needed(1.0, spread, 6)
    assert needed is not None
    assert max(power(1.0, spread.with_units(needed), 6)) >= 0.8 > max(power(1.0, spread.with_units(needed - 1), 6))
    assert units_needed(10.0, spread, 6) == 6
    assert units_needed(10.0, spread, 6, look=2) == 9
    assert (units_needed(0.0, spread, 6, margin=1.0) or 0) > 6


def test_where_the_examples_are_too_few_no_number_of_units_is_enough() -> None:
    assert units_needed(0.01, planned_spread(6, 300, 0.002, 0.3), 6) is None
    assert units_needed(0.0, planned_spread(6, None, 1.0), 6) is None
    assert units_needed(1.0, planned_spread(6, None, 1.0), 6, look=12) is None


def test_too_few_units_decide_nothing() -> None:
    assert power(9.0, planned_spread(5, None, 1.0), 1, margin=20.0) == (0, 0)
    assert smallest_difference(planned_spread(5, None, 1.0), 1) is None


def test_folds_have_the_sampling_of_their_test_parts_inside() -> None:
    folds, whole = planned_spread(10, 1000, 0.01, 0.3, tested=200), planned_spread(10, 1000, 0.01, 0.3)
    assert folds.s2_units == pytest.approx(0.01**2 + 0.3**2 / 200)
    assert folds.se == pytest.approx(whole.se)
