"""The last epoch beside the best by validation, from the lines of metrics.csv."""

import math
from typing import Any

import pytest

from lossbench.rundir.last_and_best import KIND, of_history, words

HISTORY = """step,epoch,name,value
10,0,val/accuracy,0.5
10,0,val/nll,1.5
20,1,val/accuracy,0.9
20,1,val/nll,nan
20,1,train/fitted_flipped,0.1
30,2,val/accuracy,0.9
30,2,val/nll,0.5
40,3,val/accuracy,0.7
40,3,val/nll,0.75
40,3,train/fitted_flipped,0.4
40,3,train/recovered,nan
"""


def test_the_first_of_equally_good_epochs_is_the_best() -> None:
    found = of_history(HISTORY, "val/accuracy", {"last": 0.6, "best": 0.8})["last_and_best"]
    assert found == {
        "metric": "accuracy",
        "last": {"step": 40, "epoch": 3, "val": 0.7, "test": 0.6},
        "best": {"step": 20, "epoch": 1, "val": 0.9, "test": 0.8},
    }


def test_the_best_is_the_lowest_where_that_is_better_and_none_is_tested_in_a_trial() -> None:
    found = of_history(HISTORY, "val/nll", {})["last_and_best"]
    assert found["best"] == {"step": 30, "epoch": 2, "val": 0.5}
    assert found["last"] == {"step": 40, "epoch": 3, "val": 0.75}


@pytest.mark.parametrize("monitor", ["val/accuracy", "val/brier"])
def test_fitted_labels_are_those_of_the_last_epoch(monitor: str) -> None:
    assert of_history(HISTORY, monitor, {})["memorisation"] == {"fitted_flipped": 0.4}


def test_a_history_without_validations_says_nothing() -> None:
    assert of_history("step,epoch,name,value\n", "val/accuracy", {}) == {}


def test_both_epochs_and_the_fitted_labels_are_said_in_two_lines() -> None:
    facts = of_history(HISTORY, "val/accuracy", {"last": 0.6, "best": 0.825})
    assert [*words(facts)] == [
        "last epoch 4: val 70.00 %, test 60.00 %; best epoch by val/accuracy 2: val 90.00 %, test 82.50 %; "
        "22.50 points better on test",
        "labels at the last epoch: 40.0 % of the wrong ones memorised",
    ]
    nll = of_history(HISTORY, "val/nll", {"last": 0.5, "best": math.nan})
    said = "last epoch 4: val 0.7500 nats, test 0.5000 nats; best epoch by val/nll 3: val 0.5000 nats"
    assert next(words(nll)) == said
    same = of_history("10,0,val/accuracy,0.5\n", "val/accuracy", {"last": 0.4, "best": 0.4})
    assert [*words(same)] == ["the last epoch, 1, is the best by val/accuracy: val 50.00 %, test 40.00 %"]


@pytest.mark.parametrize("damage", [{"metric": 1}, {"last": {}}, {"best": {"step": 1, "epoch": 0, "val": "x"}}])
def test_a_damaged_block_is_not_taken_for_scores(damage: dict[str, Any]) -> None:
    block = of_history(HISTORY, "val/accuracy", {"last": 0.6})["last_and_best"]
    assert KIND.is_right(block)
    assert not KIND.is_right({**block, **damage})
