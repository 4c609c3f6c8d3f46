"""Trends over doses, and places where losses cross: as naive calculations have them, and seldom wrong."""

import math
from itertools import pairwise

import numpy as np
import pytest
from simulate_studies import has_claim, is_claim, with_examples

from lossbench.report.stats.contrast import contrast, trend_weights
from lossbench.report.stats.crossing import find_crossings
from lossbench.report.stats.differences import Differences, spread
from lossbench.report.stats.verdict import judge

DOSES = np.log([5.0, 10.0, 20.0])


def test_a_trend_is_the_slope_of_a_fitted_line_times_the_range() -> None:
    y = np.array([0.3, -0.1, 0.7, 0.2])
    for x in (np.log([5, 10, 20, 50]), np.array([0.0, 0.2, 0.4, 0.6])):
        assert trend_weights(x) @ y == pytest.approx(np.polyfit(x, y, 1)[0] * np.ptp(x))
    assert trend_weights(np.array([1.0, 4.0])).tolist() == [-1, 1]
    with pytest.raises(ValueError, match="two different places"):
        trend_weights(np.array([2.0, 2.0]))


def test_a_contrast_sums_units_and_examples_that_all_doses_share() -> None:
    stream = np.random.default_rng(1)
    h = stream.normal(size=(2, 4, 6)).astype(np.float32)
    h[:, 1, :3] = np.nan
    first, second = (Differences(np.arange(4), np.nanmean(one, 1), one) for one in h)
    second = Differences(second.units[1:], second.means[1:], None if second.examples is None else second.examples[1:])
    found = contrast(np.array([-1.0, 2.0]), [first, second])
    assert found is not None
    assert found.units.tolist() == [1, 2, 3]
    assert found.examples is not None
    assert np.allclose(found.examples, 2 * h[1, 1:] - h[0, 1:], equal_nan=True)
    assert np.allclose(found.means, np.nanmean(found.examples, 1))
    bare = contrast(np.array([1.0, 1.0]), [first, Differences(second.units, second.means)])
    assert bare is not None
    assert bare.examples is None
    assert contrast(np.array([1.0, 1.0]), [first, Differences(np.array([9]), np.zeros(1))]) is None


def study(stream: np.random.Generator, losses: int, shifts: np.ndarray) -> dict[str, Differences]:
    """Differences of some losses at three doses, and their trends; the first one's are shifted by dose."""
    flat = with_examples("folds", 10, losses * len(DOSES), stream)
    found: dict[str, Differences] = {}
    for k in range(losses):
        doses = [flat[str(k * len(DOSES) + d)] for d in range(len(DOSES))]
        if not k:
            doses = [
                Differences(one.units, one.means + shift, None if one.examples is None else one.examples + shift)
                for one, shift in zip(doses, shifts, strict=True)
            ]
        found |= {f"{k} at {d}": one for d, one in enumerate(doses)}
        trend = contrast(trend_weights(DOSES), doses)
        assert trend is not None
        found[f"{k} trend"] = trend
    return found


def test_equal_losses_at_several_doses_seldom_differ_and_have_no_trend() -> None:
    stream, repeats = np.random.default_rng(2), 150
    rate = sum(has_claim(study(stream, 2, np.zeros(3)), "folds") for _ in range(repeats)) / repeats
    print(f"two equal losses at three doses and their trends: a claim in {rate:.4f} of {repeats} studies")
    assert rate <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / repeats)


def test_a_planted_interaction_is_found_and_is_no_difference_of_the_others() -> None:
    stream, repeats, found, false = np.random.default_rng(3), 30, 0, 0
    for _ in range(repeats):
        verdicts = judge(study(stream, 2, np.array([-0.04, 0.0, 0.04])), 0.01, design="folds")
        found += verdicts["0 trend"].verdict == "better"
        false += any(is_claim(one) for label, one in verdicts.items() if label.startswith("1"))
    print(f"a planted interaction of 8 points: found in {found} of {repeats} studies, the null loss called in {false}")
    assert found >= 0.8 * repeats
    assert false <= 0.05 * repeats + 3 * math.sqrt(0.05 * 0.95 * repeats)


def test_crossings_lie_between_doses_of_other_signs_and_their_intervals_hold_the_true_ones() -> None:
    stream, repeats, held = np.random.default_rng(4), 30, 0
    x, shifts = np.array([0.0, 1.0, 2.0]), np.array([-0.03, -0.01, 0.03])
    for _ in range(repeats):
        doses = [*study(stream, 1, shifts).values()][:3]
        crossings = find_crossings(x, doses, "folds")
        means = [one.means.mean() for one in doses]
        assert len(crossings) == sum(a * b < 0 for a, b in pairwise(means))
        for one in crossings:
            assert one.low <= one.at <= one.high
            assert np.interp(one.at, x, means) == pytest.approx(0, abs=1e-12)
        held += any(one.low <= 1.25 <= one.high for one in crossings)
    print(f"the interval of a crossing holds the true one in {held} of {repeats} studies")
    assert held >= 0.95 * repeats - 3 * math.sqrt(0.05 * 0.95 * repeats) - 1
    assert find_crossings(x, [Differences(np.arange(6), np.full(6, 0.1))] * 3, "split") == []


def test_a_contrast_of_equal_doses_varies_by_what_they_do_not_share() -> None:
    one = with_examples("folds", 10, 1, np.random.default_rng(5))["0"]
    difference = contrast(np.array([-1.0, 1.0]), [one, one])
    assert difference is not None
    assert spread(difference, "folds").se == 0
