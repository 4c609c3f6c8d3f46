"""Class weights by a word or by name become numbers of each run's own training split."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from lossbench.data.changes.settings import Changes
from lossbench.data.digits import Digits
from lossbench.data.source import replicated
from lossbench.data.split import Split
from lossbench.errors import UserError
from lossbench.losses.class_weights import effective_number, inverse_frequency
from lossbench.rundir.directory import RunDirectory
from lossbench.training.assemble import assemble
from lossbench.training.class_settings import label_matrix
from lossbench.vectorized.shared import Shared
from lossbench.vectorized.train import StackedRuns

Plan = Callable[..., RunDirectory]


def counts(replicate: int | None = None) -> np.ndarray:
    source = Digits() if replicate is None else replicated(Digits(), replicate)
    return np.bincount(source.splits["train"].targets).astype(np.float64)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("auto", inverse_frequency(counts())),
        ("effective", effective_number(counts())),
        ("{3: 5, 8: 0}", [1, 1, 1, 5, 1, 1, 1, 1, 0, 1]),
    ],
)
@pytest.mark.parametrize("loss", ["cross_entropy", "bce"])
def test_weights_by_word_and_by_name_are_numbers_of_the_training_split(
    planned: Plan, loss: str, given: str, wanted: Any
) -> None:
    run = planned("data=digits", f"loss={loss}", f"loss.weight={given}")
    built: Any = assemble(run.config).loss
    np.testing.assert_allclose(built.weight, wanted)
    assert run.path.parent != planned("data=digits", f"loss={loss}").path.parent


def test_each_replicate_of_a_stack_counts_its_own_examples(planned: Plan) -> None:
    configs = [planned("data=digits", "loss.weight=auto", f"replicate={r}").config for r in (0, 3)]
    members: Any = StackedRuns(configs, Shared(assemble(configs[0])), torch.device("cpu")).members
    for member, replicate in zip(members, (0, 3), strict=True):
        np.testing.assert_allclose(member.loss.weight, inverse_frequency(counts(replicate)))


def test_a_class_without_training_examples_has_no_automatic_weight(
    planned: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = Digits.load

    def without_threes(self: Digits) -> Any:
        splits = load(self)
        return {**splits, "train": splits["train"].take(np.flatnonzero(splits["train"].targets != 3))}

    monkeypatch.setattr(Digits, "load", without_threes)
    with pytest.raises(UserError, match=r"^loss\.weight=auto counts the training split, which has no 3; give one"):
        assemble(planned("data=digits", "loss.weight=auto").config)


def test_labels_of_which_several_hold_are_weighed_by_how_often_they_do(planned: Plan) -> None:
    parts = assemble(planned("data=toy_labels", "loss.weight=auto").config)
    built: Any = parts.loss
    often = parts.source.splits["train"].targets.sum(0)
    np.testing.assert_allclose(built.weight, inverse_frequency(often), rtol=1e-6)


def moved(replicate: int | None = None) -> np.ndarray:
    """Which labels the training examples of each class have, as rates."""
    source = Digits() if replicate is None else replicated(Digits(), replicate)
    train = source.with_changes(Changes.of({"label_noise": 0.4})).splits["train"]
    found = np.zeros((10, 10))
    np.add.at(found, (train.true_targets, train.targets), 1)
    return found / found.sum(1, keepdims=True)


@pytest.mark.parametrize("loss", ["forward_correction", "backward_correction"])
def test_a_correction_counts_how_labels_were_made_wrong(planned: Plan, loss: str) -> None:
    built: Any = assemble(planned("data=digits", f"loss={loss}", "data.label_noise=0.4").config).loss
    np.testing.assert_allclose(built.matrix, moved())
    assert 0.55 < np.diag(moved()).mean() < 0.65
    right: Any = assemble(planned("data=digits", f"loss={loss}").config).loss
    assert right.matrix is None


def test_counted_rates_without_an_inverse_are_refused_where_it_is_taken(planned: Plan) -> None:
    halves = ("data=digits", "data.images_per_class=20", "data.label_noise=0.5", "data.noise=pairs")
    with pytest.raises(UserError, match=r"^loss\.matrix=null, counted from the training labels, has no inverse"):
        assemble(planned(*halves, "loss=backward_correction").config)
    assert assemble(planned(*halves, "loss=forward_correction").config)


def test_each_replicate_of_a_stack_counts_its_own_wrong_labels(planned: Plan) -> None:
    given = ("data=digits", "loss=forward_correction", "data.label_noise=0.4")
    configs = [planned(*given, f"replicate={r}").config for r in (0, 3)]
    members: Any = StackedRuns(configs, Shared(assemble(configs[0])), torch.device("cpu")).members
    for member, replicate in zip(members, (0, 3), strict=True):
        np.testing.assert_allclose(member.loss.matrix, moved(replicate))
    assert not np.array_equal(moved(0), moved(3))


def test_a_class_without_examples_keeps_its_labels() -> None:
    split = Split(np.zeros((3, 1)), np.array([1, 0, 1]), np.arange(3), true_targets=np.array([0, 0, 1]))
    assert label_matrix(split, 3) == [[0.5, 0.5, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    assert label_matrix(replace(split, true_targets=None), 3) is None
