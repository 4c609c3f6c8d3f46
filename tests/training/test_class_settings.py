"""Class weights by a word or by name become numbers of each run's own training split."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from lossbench.data.digits import Digits
from lossbench.data.source import replicated
from lossbench.errors import UserError
from lossbench.losses.class_weights import effective_number, inverse_frequency
from lossbench.rundir.directory import RunDirectory
from lossbench.training.assemble import assemble
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
