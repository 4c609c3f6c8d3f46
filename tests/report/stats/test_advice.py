"""As many more units or examples as said decide in about four of five studies."""

import numpy as np
import pytest

from lossbench.report.stats.advice import Advice, advise
from lossbench.report.stats.differences import Spread
from lossbench.report.stats.planning import planned_levels, planned_spread
from lossbench.report.stats.power import Levels
from lossbench.report.stats.verdict import Differences, judge

LEVELS = Levels(0.005, 0.005)  # of one comparison at its second look


def exactly(n: int, mean: float) -> np.ndarray:
    """n differences of this mean and of standard deviation 1."""
    d = np.random.default_rng(n).normal(size=n)
    return (d - d.mean()) / d.std(ddof=1) + mean


def decided(total: int, mean: float, margin: float | None, m: int) -> float:
    """Share of studies with so many units that decide the first of m comparisons at their second look."""
    stream, words = np.random.default_rng(total), []
    for _ in range(150):
        scores = stream.normal(size=(total, m + 1)) / np.sqrt(2)
        d = scores[:, 1:] - scores[:, :1] + (margin or 0)  # the others stay open
        d[:, 0] += mean - (margin or 0)
        family = {str(k): Differences(np.arange(total), d[:, k]) for k in range(m)}
        words.append(judge(family, margin, design="split", look=2)["0"].verdict)
    return 1 - words.count("undecided") / 150


def advised(n: int, mean: float, margin: float | None, m: int) -> Advice:
    scores = np.random.default_rng((n, m)).normal(size=(n, m - 1))
    shared = exactly(n, mean)
    family = {"0": shared} | {str(k + 1): (shared - mean + d) / np.sqrt(2) for k, d in enumerate(scores.T)}
    given = {label: Differences(np.arange(n), d) for label, d in family.items()}
    found = judge(given, margin, design="split")["0"].more
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("mean", "n", "margin", "m"), [(0.6, 12, None, 1), (0.5, 12, None, 4), (0.0, 6, 0.6, 1), (0.1, 20, 0.5, 3)]
)
def test_as_many_more_units_as_said_decide_in_about_four_of_five_studies(
    mean: float, n: int, margin: float | None, m: int
) -> None:
    point = advise(mean, planned_spread(n, None, 1.0), margin, planned_levels(m, n - 1.0, 2), 2, quartiles=False)
    assert point.low is not None
    share = decided(n + point.low, mean, margin, m)
    print(f"{mean=} {n=} {margin=} {m=}: {point.low} more units decide {share:.3f}")
    assert 0.72 - 0.05 <= share <= 0.88 + 0.05  # 0.05: a standard error and a half of 150 studies
    more = advised(n, mean, margin, m)
    assert more.kind == "units"
    assert (more.low or 0) <= 1.1 * point.low
    assert more.high is None or more.high >= 0.9 * point.low


def test_a_wide_range_is_given_as_one_and_a_narrow_one_as_a_number() -> None:
    spread = planned_spread(8, None, 1.0)
    one, two = advise(0.5, spread, None, LEVELS, 2), advise(0.0, spread, 1.2, LEVELS, 2)
    assert one.kind == two.kind == "units"
    assert one.low is not None
    assert one.high is None or one.high > 2 * one.low
    assert two.low == two.high


def test_where_examples_are_too_few_examples_are_advised() -> None:
    spread = planned_spread(10, 400, 0.002, 0.25)
    more = advise(0.02, spread, None, LEVELS, 2)
    assert more.kind == "examples"
    assert more.low is not None
    assert 400 < more.low < 5000
    larger = Spread(1000, more.low, spread.own, 0.0, spread.s2_examples)
    assert 0.02 / larger.se > 3.5


def test_a_difference_on_the_margin_is_decided_by_nothing() -> None:
    assert advise(0.0, planned_spread(12, None, 1.0), None, LEVELS, 2).kind == "nothing"
    assert advise(0.0, planned_spread(12, 400, 0.01, 0.2), None, LEVELS, 2).kind == "nothing"
    assert advise(0.0, planned_spread(12, None, 1.0), 0.5, LEVELS, 2).kind == "units"
    assert advise(5.0, planned_spread(12, None, 1.0), None, LEVELS, 12) == Advice(None, None, "nothing")


def test_more_units_are_advised_where_the_answer_is_harder() -> None:
    spread = planned_spread(12, None, 1.0)
    found = [
        advise(mean, spread, None, Levels(level, level), 2, quartiles=False).low or 0
        for mean, level in ((0.8, 0.005), (0.5, 0.005), (0.5, 0.0005))
    ]
    assert found == sorted(found)
    assert found[0] < found[1] < found[2]
