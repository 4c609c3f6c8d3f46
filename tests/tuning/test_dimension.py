"""A dimension: a value and its place are inverse, and the end of a range is an edge unless nothing lies beyond it."""

import numpy as np
import pytest

from lossbench.tuning.spaces import Dimension, Space

DIMENSIONS = [
    Dimension("optimizer.lr", 1e-5, 10.0, "log", ""),
    Dimension("loss.q", -1.0, 1.0, "linear", ""),
    Dimension("loss.beta", 0.0, 1.0, "linear", "", "cosine_prob_beta"),
    Dimension("loss.beta", 0.1, 1.0, "log", "", "cosine_prob_beta"),
]
SETTINGS = {"loss.alpha": 0.9}


@pytest.mark.parametrize("dimension", DIMENSIONS, ids=lambda each: f"{each.key} {each.scale} {each.upper}")
def test_a_value_and_its_place_are_inverse(dimension: Dimension) -> None:
    for u in np.random.default_rng(0).random(200):
        value = dimension.value(u, SETTINGS)
        assert dimension.place(value, SETTINGS) == pytest.approx(u, abs=1e-10)
        assert dimension.value(dimension.place(value, SETTINGS), SETTINGS) == value == float(repr(value))


@pytest.mark.parametrize("dimension", DIMENSIONS, ids=lambda each: f"{each.key} {each.scale} {each.upper}")
def test_what_lies_outside_a_range_has_a_place_outside(dimension: Dimension) -> None:
    low, high = (dimension.value(u, SETTINGS) for u in (-0.1, 1.1))
    assert dimension.place(low, SETTINGS) < 0
    assert dimension.place(high, SETTINGS) > 1


def test_no_weight_decay_lies_below_every_range_on_a_log_scale() -> None:
    decay = Dimension("optimizer.weight_decay", 1e-6, 1e-2, "log", "")
    assert decay.place(0.0, {}) == -np.inf
    assert decay.edge(0.0, {}) == "low"


def test_the_outer_twentieth_is_an_edge_but_where_nothing_lies_beyond() -> None:
    free = Dimension("loss.label_smoothing", 0.0, 0.2, "linear", "")
    ended = Dimension("loss.label_smoothing", 0.0, 0.2, "linear", "", "", (0.0, 1.0))
    assert [free.edge(value, {}) for value in (0.009, 0.011, 0.189, 0.191)] == ["low", None, None, "high"]
    assert [ended.edge(value, {}) for value in (0.009, 0.011, 0.189, 0.191)] == [None, None, None, "high"]


def test_a_limit_of_fixed_settings_is_a_number() -> None:
    beta = Dimension("loss.beta", 0.0, 1.0, "linear", "", "cosine_prob_beta", (0.0, 1.0))
    fixed = beta.at({"loss.alpha": 1.0})
    assert (fixed.low, fixed.high, fixed.upper) == (0.0, pytest.approx(np.pi / 2), "")
    assert fixed.limits == (0.0, pytest.approx(np.pi / 2))
    assert beta.at({}) == beta


def test_a_space_reads_what_it_wrote() -> None:
    space = Space(tuple(DIMENSIONS[:1]), tuple(DIMENSIONS[1:3]))
    assert Space.of_json(space.to_json()) == space
