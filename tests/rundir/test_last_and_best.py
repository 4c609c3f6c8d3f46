"""The last epoch beside the best by validation, from the lines of metrics.csv."""

import pytest

from lossbench.rundir.last_and_best import of_history

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
