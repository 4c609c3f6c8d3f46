"""budget=MINUTES: what it chooses, and what it refuses."""

from itertools import pairwise

import numpy as np
import pytest

from lossbench.errors import UserError
from lossbench.tuning.budget import Cost, Rung, choose, expected_refits, ladder, prefixes

COST = Cost(rows=7, trial=0.1, refit=0.5, once=20.0)


def test_more_time_never_buys_less_and_what_is_chosen_fits() -> None:
    chosen = [choose(minutes, COST, dimensions=1, least=6) for minutes in (2, 3, 5, 10, 20, 60, 600)]
    assert chosen[0] == Rung(8, 6)
    assert Rung(16, 12) in ladder(1, 6)  # the usual study
    for low, high in pairwise(chosen):
        assert low.trials <= high.trials
        assert low.replicates <= high.replicates
    assert all(COST(rung) <= 60 * minutes for rung, minutes in zip(chosen, (2, 3, 5, 10, 20, 60, 600), strict=True))


@pytest.mark.parametrize("dimensions", [0, 1, 2, 3])
@pytest.mark.parametrize("least", [6, 9, 14])
def test_every_rung_searches_enough_can_decide_and_costs_more_than_the_one_before(dimensions: int, least: int) -> None:
    rungs = list(ladder(dimensions, least))
    assert all(rung.trials >= 8 * dimensions and rung.replicates >= least for rung in rungs)
    assert all(COST(low) < COST(high) for low, high in pairwise(rungs))


def test_too_little_time_says_what_it_would_take_and_that_is_enough() -> None:
    with pytest.raises(UserError, match=r"budget=1 .* 8 trials and 6 replicates .* give budget=2,"):
        choose(1, COST, dimensions=1, least=6)
    assert choose(2, COST, dimensions=1, least=6).replicates >= 6


@pytest.mark.parametrize("trials", [1, 8, 16, 24])
def test_refits_are_as_many_as_there_are_different_winners_of_trials_in_random_order(trials: int) -> None:
    scores = np.random.default_rng(0).normal(size=(20_000, trials))
    winners = np.stack([scores[:, :n].argmax(1) for n in prefixes(trials)])
    counted = 1 + (np.diff(winners, axis=0) != 0).sum(0)
    assert expected_refits(trials) == pytest.approx(counted.mean(), abs=0.03)
