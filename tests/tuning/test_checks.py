"""A search as a whole: names that exist, numbers that are tuned at all, trials enough for the settings."""

from typing import Any

import pytest

from lossbench.errors import UserError
from lossbench.tuning.checks import check_search, check_trials, own_of, require_own
from lossbench.tuning.spaces import Dimension, Space

OPTIMIZER = {"name": "sgd", "lr": 0.1, "momentum": 0.9, "nesterov": False}
FOCAL = {"name": "focal", "gamma": 2.0, "search": {"gamma": {"range": [0, 5], "scale": "linear"}}}
COMPOSED = [{"optimizer": OPTIMIZER, "loss": FOCAL}, {"optimizer": OPTIMIZER, "loss": {"name": "power", "q": 0.7}}]
RANGES = {"lr": {"range": [1e-4, 1], "scale": "log"}}
LR, DECAY, GAMMA = (
    Dimension(key, 0.1, 1, "log", "") for key in ("optimizer.lr", "optimizer.weight_decay", "loss.gamma")
)


@pytest.mark.parametrize(
    ("search", "answer"),
    [
        (None, "search must hold ranges by name, got None"),
        ({"own": "publised"}, "search.own=publised is not allowed; did you mean published"),
        ({}, "search.own=null is not allowed"),
        ({"own": "both", "gama": [1, 2]}, "search.gama: neither the optimizer nor a loss has gama; did you mean gamma"),
        ({"own": "tuned", "lrr": None}, "search.lrr: .*did you mean lr"),
        ({"own": "published", "gamma": [1, 2]}, "search.gamma is a range of a loss's own number.*search.own=tuned"),
    ],
)
def test_a_search_that_means_nothing_is_refused(search: Any, answer: str) -> None:
    with pytest.raises(UserError, match=answer) as caught:
        check_search(search, COMPOSED, RANGES)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("own", ["published", "tuned", "both"])
def test_what_some_loss_or_the_optimizer_has_may_be_typed(own: str) -> None:
    typed = {"lr": [1e-3, 1], "momentum": {"range": [0, 0.99], "scale": "linear"}, "q": None}
    ours = {} if own == "published" else {"gamma": [0, 3], "q": {"range": [0, 1], "scale": "linear"}}
    search = {"own": own, **typed, **ours}
    check_search(search, COMPOSED, RANGES)
    assert own_of(search) == own


def test_all_losses_but_the_baseline_need_numbers_where_these_are_tuned() -> None:
    bare, rich = Space((LR,)), Space((LR,), (GAMMA,))
    require_own({"cross_entropy": bare, "focal": rich}, "cross_entropy")
    with pytest.raises(UserError, match=r"search\.own=tuned, but loss=cosine,inverse has no range.*search.own=both"):
        require_own({"cross_entropy": bare, "cosine": bare, "focal": rich, "inverse": bare}, "cross_entropy")


def test_every_setting_takes_eight_trials() -> None:
    spaces = {"cross_entropy": Space((LR, DECAY)), "focal": Space((LR, DECAY), (GAMMA,))}
    check_trials(24, spaces)
    with pytest.raises(UserError, match=r"trials=23 is too few for focal, of which 3 .*trials=24.*0\.05.*0\.32"):
        check_trials(23, spaces)
