"""Points: the same shared coordinates for all losses, others in each replicate, the default first."""

import numpy as np
import pytest

from lossbench.errors import UserError
from lossbench.tuning.points import points
from lossbench.tuning.spaces import Dimension, Space

LR = Dimension("optimizer.lr", 1e-4, 1.0, "log", "")
DECAY = Dimension("optimizer.weight_decay", 1e-6, 1e-2, "log", "")
GAMMA = Dimension("loss.gamma", 0.0, 5.0, "linear", "")
DEFAULT = {"optimizer.lr": 0.003, "optimizer.weight_decay": 0.0, "loss.gamma": 2.0}
PLAIN, OWN = Space((LR, DECAY)), Space((LR, DECAY), (GAMMA,))


def test_the_first_trial_is_the_default_and_fewer_trials_are_the_first_of_more() -> None:
    many = points(OWN, DEFAULT, 33, 3)
    assert many[0] == DEFAULT
    for trials in (1, 2, 3, 9, 16, 32):
        assert points(OWN, DEFAULT, trials, 3) == many[:trials]


def test_a_loss_with_numbers_of_its_own_has_the_shared_coordinates_of_all_others() -> None:
    shared = [{key: point[key] for key in DEFAULT if key != "loss.gamma"} for point in points(OWN, DEFAULT, 16, 3)]
    assert shared == points(PLAIN, DEFAULT, 16, 3)


def test_replicates_and_the_twin_have_points_of_their_own() -> None:
    found = [points(PLAIN, DEFAULT, 16, replicate, scramble)[1:] for replicate in (0, 1) for scramble in ("", "twin")]
    values = [point["optimizer.lr"] for each in found for point in each]
    assert len(set(values)) == len(values)


def test_the_points_are_those_of_earlier_versions() -> None:
    """Other points, of another version of SciPy or of ours, would be other trials of the same plan."""
    found = [tuple(point.values()) for point in points(PLAIN, DEFAULT, 3, 7)[1:]]
    assert found == [(0.000896972032312, 0.000905626678894), (0.362387517639, 5.26543100455e-06)]


def test_points_lie_evenly() -> None:
    """Each eighth of a range holds two of 16 points; with independent draws that has a chance of 4e-3."""
    places = [LR.place(point["optimizer.lr"], {}) for point in points(PLAIN, DEFAULT, 17, 5)[1:]]
    assert np.histogram(places, 8, (0, 1))[0].tolist() == 8 * [2]


def test_more_settings_than_coordinates_are_refused() -> None:
    wide = Space(tuple(Dimension(f"optimizer.a{k}", 0, 1, "linear", "") for k in range(17)))
    with pytest.raises(UserError, match="at most 16 can be"):
        points(wide, {}, 16, 0)
