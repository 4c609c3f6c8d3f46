"""The number of seeds advised decides about as often as promised."""

import math

import numpy as np
import pytest

from lossbench.report.stats import paired
from lossbench.report.stats.sequential import ALPHA, least_seeds, look_factor, more_seeds
from lossbench.seeds import generator


@pytest.mark.parametrize(
    ("mean", "n", "margin", "comparisons", "look"),
    [
        (0.6, 12, None, 1, 1),
        (0.6, 12, None, 9, 1),
        (-1.0, 8, None, 9, 2),
        (0.1, 20, 0.8, 3, 1),
        (0.0, 5, 1.0, 1, 1),
        (0.9, 6, 1.0, 1, 1),
    ],
)
def test_as_many_more_seeds_as_said_decide_in_about_four_of_five_studies(
    mean: float, n: int, margin: float | None, comparisons: int, look: int
) -> None:
    more = more_seeds(mean, 1.0, n, margin, comparisons, look + 1)
    assert more is not None
    D = generator(0, "more_seeds", mean, comparisons).normal(mean, 1, (n + more, 1000))
    factor = comparisons * look_factor(look + 1)
    decided = paired.sign_flip_ps(D) * factor < ALPHA
    if margin is not None:
        decided |= np.array([paired.tost_p(d, margin) for d in D.T]) * factor < ALPHA
    print(f"{mean=} {n=} {margin=} {comparisons=} {look=}: {more} more seeds decide {decided.mean():.3f}")
    assert 0.7 <= decided.mean() <= 0.9


def test_more_seeds_ask_for_more_where_the_answer_is_harder() -> None:
    assert more_seeds(0.5, 1, 12, None, 1, 1) < more_seeds(0.5, 1, 12, None, 9, 1) < more_seeds(0.5, 1, 12, None, 9, 2)
    assert more_seeds(0.5, 1, 12, None, 1, 1) > more_seeds(0.8, 1, 12, None, 1, 1)
    assert more_seeds(5, 1, 30, None, 1, 1) == 1
    assert more_seeds(5, 0, 3, None, 1, 1) == least_seeds(1, 1) - 3
    assert more_seeds(0, 0, 3, 0.5, 1, 1) == 3
    assert more_seeds(0, 0, 9, 0.5, 1, 1) == 1


@pytest.mark.parametrize(
    ("mean", "sd", "margin"), [(0, 1, None), (0.01, 1, None), (0.5, 1, 0.5), (1, math.nan, None), (0, 0, None)]
)
def test_there_may_be_no_number_of_seeds_that_decides(mean: float, sd: float, margin: float | None) -> None:
    if mean == 0.5:
        assert more_seeds(mean, sd, 12, margin, 1, 1) == more_seeds(mean, sd, 12, None, 1, 1)
    else:
        assert more_seeds(mean, sd, 12, margin, 1, 1) is None


@pytest.mark.parametrize("bad", [{"n": 0}, {"sd": -1}, {"mean": math.nan}, {"margin": 0}, {"comparisons": 0}])
def test_more_seeds_of_nonsense_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must"):
        more_seeds(**{"mean": 0, "sd": 1, "n": 12, "margin": None, "comparisons": 1, "look": 1, **bad})
