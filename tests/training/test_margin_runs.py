"""Runs with losses that bring a head of class vectors, or that count the training split."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from lossbench.data.digits import Digits
from lossbench.errors import UserError
from lossbench.models.heads import CosineHead
from lossbench.rundir.directory import RunDirectory
from lossbench.training.assemble import assemble
from lossbench.vectorized.eligible.settings import group_of, why_not
from lossbench.vectorized.shared import Shared
from lossbench.vectorized.train import StackedRuns

Plan = Callable[..., RunDirectory]
MARGINS = ("normalized_softmax", "cosface", "arcface", "tvmf", "ldam", "adacos")


@pytest.mark.parametrize("loss", MARGINS)
def test_the_head_brings_cosines_of_class_vectors(planned: Plan, loss: str) -> None:
    parts = assemble(planned("data=digits", f"loss={loss}", "head.num_features=24").config)
    body, head = parts.model  # pyright: ignore[reportGeneralTypeIssues] - a Sequential
    inputs = 1e3 * torch.rand(5, 1, 8, 8)
    assert isinstance(head, CosineHead)
    assert head.weight.shape == (10, 24)
    assert body(inputs).shape == (5, 24)
    output = parts.model(inputs)
    assert output.shape == (5, 10)
    assert output.abs().max() <= 1 + 1e-6
    assert not list(parts.loss.parameters())  # pyright: ignore[reportAttributeAccessIssue] - every loss is a module


def test_without_a_dimension_the_model_is_that_of_the_other_losses(planned: Plan) -> None:
    plain = assemble(planned("data=digits", "loss=cross_entropy").config).model
    assert isinstance(plain, nn.Module)
    for loss in MARGINS:
        parts = assemble(planned("data=digits", f"loss={loss}").config)
        assert all(
            torch.equal(ours, theirs) for ours, theirs in zip(parts.body.parameters(), plain.parameters(), strict=True)
        )


def test_the_dimension_is_part_of_the_identity(planned: Plan) -> None:
    one, other = planned("data=digits", "loss=arcface"), planned("data=digits", "loss=arcface", "head.num_features=24")
    assert one.path.parent != other.path.parent


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("head=null",),
            r"^the loss takes cosines, and the model gives numbers up to \d\S*; leave out head=\.\.\. so that",
        ),
        (("head.scale=16",), r"^the loss takes cosines, and the model gives numbers up to \d\S*;"),
        (("head.num_features=0",), r"^head\.num_features must be a whole number >= 1, got 0; null is allowed too$"),
        (("loss.margin=4",), r"^loss\.margin must be within 0 and pi / 2 \(radians\), got 4$"),
        (("yardsticks=[cosface]",), r"^yardsticks: cosface needs a head of its own"),
    ],
    ids=["no head", "scaled head", "dimension", "margin", "yardstick"],
)
def test_what_does_not_fit_is_refused(planned: Plan, words: tuple[str, ...], message: str) -> None:
    with pytest.raises(UserError, match=message):
        assemble(planned("data=digits", "loss=arcface", *words).config)


def test_null_counts_the_training_split(planned: Plan) -> None:
    run = planned("data=digits", "loss=logit_adjusted", "yardsticks=[logit_adjusted]")
    parts = assemble(run.config)
    counts = tuple(np.bincount(Digits().splits["train"].targets).tolist())
    assert len(set(counts)) > 1
    loss: Any = parts.loss
    yardstick: Any = parts.yardsticks["logit_adjusted"]
    assert loss.class_counts == yardstick.class_counts == counts
    assert run.config.loss.settings["class_counts"] is None
    given: Any = assemble(
        planned("data=digits", "loss=logit_adjusted", "loss.class_counts=[1,1,1,1,1,1,1,1,1,9]").config
    ).loss
    assert given.class_counts == (1,) * 9 + (9,)


def test_a_class_without_training_examples_is_named(planned: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    load = Digits.load

    def without_threes(self: Digits) -> Any:
        splits = load(self)
        return {**splits, "train": splits["train"].take(np.flatnonzero(splits["train"].targets != 3))}

    monkeypatch.setattr(Digits, "load", without_threes)
    run = planned("data=digits", "loss=logit_adjusted")
    with pytest.raises(
        UserError, match=r"^loss\.class_counts=null counts the training split, which has no 3; give one number > 0"
    ):
        assemble(run.config)


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ("[1,2]", r"^loss\.class_counts has 2 numbers, and data=digits has 10 classes; give one"),
        (
            "[1,0]",
            r"loss\.class_counts must be null \(count the training split\) "
            r"or a list with one number > 0 for each class, got \[1, 0\]",
        ),
    ],
)
def test_wrong_counts_are_refused(planned: Plan, counts: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        assemble(planned("data=digits", "loss=logit_adjusted", f"loss.class_counts={counts}").config)


def test_a_stack_of_runs_counts_and_has_the_head(planned: Plan) -> None:
    runs = [planned("data=digits", "loss=arcface", f"loss.margin={margin}", "seed=1") for margin in (0.1, 0.5)]
    assert [why_not(run.config) for run in runs] == [None, None]
    assert group_of(runs[0].config) == group_of(runs[1].config)
    stacked = StackedRuns([run.config for run in runs], Shared(assemble(runs[0].config)), torch.device("cpu"))
    assert stacked.stack.train_step().output.abs().max() <= 1 + 1e-6
    adjusted = planned("data=digits", "loss=logit_adjusted")
    assert group_of(adjusted.config) != group_of(runs[0].config)
    members: Any = StackedRuns([adjusted.config], Shared(assemble(adjusted.config)), torch.device("cpu")).members
    assert sum(members[0].loss.class_counts) == len(Digits().splits["train"])
