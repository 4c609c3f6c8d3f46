"""Spaces of every loss: inside its region of validity, the default away from the edges; wrong ranges in a line."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from lossbench import losses
from lossbench.config.searched import without_ranges
from lossbench.errors import UserError
from lossbench.tuning.bounds import cosine_softmax_scale, unit_logits_scale
from lossbench.tuning.points import points
from lossbench.tuning.spaces import Space, declared_of, space_of

CONF = Path(__file__).parents[2] / "conf"
PUBLISHED: Mapping[str, Any] = {"own": "published"}
SGD = {"name": "sgd", "_target_": "torch.optim.SGD", "lr": 0.1, "momentum": 0.9, "nesterov": False, "weight_decay": 0.0}


def node_of(name: str) -> dict[str, Any]:
    whole = yaml.safe_load((CONF / "loss" / f"{name}.yaml").read_text())
    return whole.get("loss", whole)


LOSSES = {path.stem: node_of(path.stem) for path in sorted((CONF / "loss").glob("*.yaml")) if path.stem != "custom"}
SEARCHED = [name for name, node in LOSSES.items() if "search" in node]
OPTIMIZERS = {path.stem: yaml.safe_load(path.read_text()) for path in sorted((CONF / "search").glob("*.yaml"))}


def space(name: str, *, own: bool = True, classes: int | None = 10, **typed: Any) -> Space:
    composed = {"optimizer": SGD, "loss": LOSSES[name]}
    return space_of(composed, {**PUBLISHED, **typed}, OPTIMIZERS["sgd"], classes, own)


def default_of(name: str) -> dict[str, Any]:
    """The configured settings, by key."""
    ours = {f"loss.{key}": value for key, value in LOSSES[name].items()}
    return {**ours, **{f"optimizer.{key}": value for key, value in SGD.items()}}


@pytest.mark.parametrize("classes", [2, 10, 1000])
@pytest.mark.parametrize("name", SEARCHED)
def test_a_loss_can_be_built_at_every_point_of_its_space(name: str, classes: int) -> None:
    node, found = without_ranges(LOSSES[name]), space(name, classes=classes)
    kind = getattr(losses, node["_target_"].rpartition(".")[2])
    fixed = {key: value for key, value in node.items() if key not in ("name", "_target_")}
    for point in points(found, default_of(name), 1001, 0)[1:]:
        kind(**{**fixed, **{each.key.removeprefix("loss."): point[each.key] for each in found.own}})
        assert all(0 <= each.place(point[each.key], point) < 1 for each in found.dimensions)


@pytest.mark.parametrize("classes", [10, 37, 1000])
@pytest.mark.parametrize("name", SEARCHED)
def test_the_published_value_lies_inside_and_every_range_has_a_source(name: str, classes: int) -> None:
    default = default_of(name)
    for dimension in space(name, classes=classes).own:
        assert dimension.source
        assert dimension.edge(default[dimension.key], default) is None, dimension


def test_every_optimizer_has_a_space_that_holds_the_configured_learning_rates() -> None:
    for path in (CONF / "optimizer").glob("*.yaml"):
        node = yaml.safe_load(path.read_text())
        name = node.get("name") or node["defaults"][0]
        lr = space_of(
            {"optimizer": {**SGD, "lr": node["lr"]}, "loss": {}}, PUBLISHED, OPTIMIZERS[name], 10, False
        ).shared[0]
        assert lr.key == "optimizer.lr"
        assert lr.source
        assert lr.edge(node["lr"], {}) is None


def test_losses_without_numbers_of_their_own_are_searched_as_all_others() -> None:
    plain = space("focal", own=False)
    assert not plain.own
    assert all(space(name).shared == plain.shared for name in LOSSES)


def test_a_scale_follows_the_number_of_classes() -> None:
    """As published: p = 0.99 takes a scale of 11.5 at 1000 classes and of 8.1 at 37."""
    assert unit_logits_scale(0.99, 1000) == pytest.approx(11.5, abs=0.01)
    assert unit_logits_scale(0.99, 37) == pytest.approx(8.1, abs=0.05)
    for p, classes in ((0.9, 10), (0.9999, 1000)):  # a simplex: cosines of 1 and of -1 / (C - 1)
        scale = cosine_softmax_scale(p, classes)
        others = (classes - 1) * math.exp(-scale * (1 + 1 / (classes - 1)))
        assert 1 / (1 + others) == pytest.approx(p)
    low = {classes: space("arcface", classes=classes).own[1].low for classes in (10, 1000)}
    assert low == {classes: pytest.approx(cosine_softmax_scale(0.9, classes)) for classes in low}


def test_beta_of_cosine_prob_fills_its_region_whatever_alpha() -> None:
    alpha, beta = space("cosine_prob").own
    for a in (alpha.low, 0.9, 1.99):
        limit = math.pi * (1 - a / 2)
        assert beta.value(1 - 1e-9, {"loss.alpha": a}) == pytest.approx(limit)
        assert beta.place(limit / 2, {"loss.alpha": a}) == pytest.approx(0.5)
    (alone,) = space("cosine_prob", alpha=None).own
    assert (alone.key, alone.high, alone.upper) == ("loss.beta", pytest.approx(math.pi * 0.55), "")


def test_what_is_typed_replaces_what_files_say() -> None:
    lr, gamma = space("focal", lr=[0.01, 1], weight_decay=None, gamma={"range": [0.5, 4]}).dimensions
    assert (lr.low, lr.high, lr.scale, lr.source) == (0.01, 1.0, "log", "typed")
    assert (gamma.low, gamma.high, gamma.scale, gamma.source) == (0.5, 4.0, "linear", "typed")
    assert gamma.limits == (0, None)
    momentum = space("focal", own=False, momentum={"range": [0.5, 0.99], "scale": "linear"}).shared[-1]
    assert momentum.key == "optimizer.momentum"


@pytest.mark.parametrize(
    ("name", "typed", "answer"),
    [
        ("focal", {"lr": [1, 1]}, r"search.lr=\[1,1\] is empty"),
        ("focal", {"lr": [1, 0.1]}, r"search.lr=\[1,0.1\] is inverted"),
        ("focal", {"lr": [0.1, math.inf]}, "search.lr must be a range of two finite numbers"),
        ("focal", {"lr": [0.1, True]}, "search.lr must be a range of two finite numbers"),
        ("focal", {"lr": [0.1]}, "search.lr must be a range of two numbers"),
        ("focal", {"lr": 0.1}, "search.lr must be a range such as"),
        ("focal", {"lr": [0, 1]}, "search.lr=.*on a log scale lies above 0"),
        ("focal", {"lr": {"range": [-1, 1], "scale": "linear"}}, "search.lr=.*optimizer.lr must be a number > 0"),
        ("focal", {"lr": {"rnge": [0.1, 1]}}, "search.lr.rnge does not exist; did you mean range"),
        ("focal", {"lr": {"scale": "log2"}}, "search.lr needs a scale, log or linear, got 'log2'"),
        ("focal", {"lr": {"limits": [0]}}, "search.lr.limits must be two numbers or null"),
        ("focal", {"momentum": [0.5, 0.99]}, "search.momentum needs a scale"),
        ("focal", {"nesterov": {"range": [0, 1], "scale": "linear"}}, "optimizer.nesterov of optimizer=sgd is False"),
        ("focal", {"gamma": [-1, 1]}, "search.gamma=.*loss=focal is not defined everywhere in it: gamma must be >= 0"),
        (
            "focal",
            {"gamma": [1, {"cosine": 0.9}]},
            "search.gamma: {'cosine': 0.9} is no bound.*Available: cosine_softmax_scale",
        ),
        (
            "arcface",
            {"scale": [{"cosine_softmax_scale": 2}, 64]},
            "search.scale: cosine_softmax_scale takes a probability",
        ),
        ("cosine_prob", {"alpha": [0.1, 3]}, r"search.alpha=\[0.1,3\].*at most 2"),
        ("cosine_prob", {"beta": [0, 1.5]}, "search.beta=.*beta must be within 0 and pi"),
        ("cosine_prob", {"beta": {"upper": "gamma"}}, "search.beta.upper=gamma does not exist"),
        ("nll", {"weight": {"range": [0, 1], "scale": "linear"}}, "loss.weight of loss=nll is None by default"),
        ("multi_margin", {"p": {"range": [1, 2], "scale": "linear"}}, "p must be 1 or 2, got 1.4"),
    ],
)
def test_a_wrong_range_is_refused_in_one_line(name: str, typed: dict[str, Any], answer: str) -> None:
    with pytest.raises(UserError, match=answer) as caught:
        space(name, **typed)
    assert "\n" not in str(caught.value)


def test_a_closed_form_needs_classes_and_a_space_something_to_search() -> None:
    with pytest.raises(UserError, match="cosine_softmax_scale is of the number of classes, and the data have none"):
        space("arcface", classes=None)
    with pytest.raises(UserError, match="nothing is searched for loss=dot_product and optimizer=sgd"):
        space("dot_product", lr=None, weight_decay=None)
    with pytest.raises(UserError, match=r"loss\.search of loss=focal must hold ranges by name, got 3"):
        declared_of({"name": "focal", "search": 3})
