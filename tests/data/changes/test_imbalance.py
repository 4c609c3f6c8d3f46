"""Uneven training classes: the published counts, exact and nested, and what cannot be done."""

from typing import Any

import numpy as np
import pytest

from lossbench.data.changes.imbalance import sizes
from lossbench.data.changes.settings import Changes
from lossbench.data.digits import Digits
from lossbench.data.source import Source, replicated


def uneven(imbalance: float, source: Source | None = None, **settings: Any) -> Source:
    return (source or Digits()).with_changes(Changes.of({"imbalance": imbalance, **settings}))


def counts(source: Source, name: str = "train") -> list[int]:
    return np.bincount(source.splits[name].targets, minlength=10).tolist()


def test_sizes_are_those_of_the_published_long_tails() -> None:
    # CIFAR-10-LT and CIFAR-100-LT as in the code of Cao et al. 2019
    of_ten = [5000, 2997, 1796, 1077, 645, 387, 232, 139, 83, 50]
    assert sizes(5000, 10, Changes(imbalance=100)) == of_ten
    assert sum(of_ten) == 12_406
    hundred = sizes(500, 100, Changes(imbalance=100))
    assert (sum(hundred), hundred[0], hundred[-1]) == (10_847, 500, 5)
    assert sizes(5000, 10, Changes(imbalance=100, imbalance_kind="step")) == [5000] * 5 + [50] * 5
    assert sizes(60, 3, Changes(imbalance=10, imbalance_kind="step")) == [60, 6, 6]


@pytest.mark.parametrize("replicate", [None, 2])
def test_training_classes_have_these_sizes_and_the_other_splits_stay(replicate: int | None) -> None:
    before = Digits() if replicate is None else replicated(Digits(), replicate)
    source = uneven(50, before)
    wanted = sizes(min(counts(before)), 10, Changes(imbalance=50))
    assert counts(source) == wanted
    assert source.splits["val"] is source.unchanged["val"]
    assert source.splits["test"] is source.unchanged["test"]
    assert {*source.splits["train"].ids} < {*before.splits["train"].ids}
    record = source.record()
    assert [*record["changes"]["imbalance"]["classes"].values()] == record["class_counts"] == wanted
    assert "imbalance 50, exponential" in source.about_lines("digits")[-1]
    assert source.fingerprint() == before.fingerprint()


def test_a_longer_tail_keeps_a_subset_and_wrong_labels_come_after_it() -> None:
    kept = [{*uneven(factor).splits["train"].ids} for factor in (1, 10, 100)]
    assert kept[2] < kept[1] < kept[0]
    assert counts(uneven(1)) == [104] * 10
    noisy = uneven(10, label_noise=0.5).splits["train"]
    assert noisy.true_targets is not None
    assert np.bincount(noisy.true_targets).tolist() == counts(uneven(10))
    assert [*uneven(10, label_noise=0.5).record()["changes"]] == ["imbalance", "label_noise"]


def test_a_seed_draws_which_classes_are_rare_for_all_replicates_alike() -> None:
    orders = [np.argsort(counts(uneven(100, imbalance_seed=seed))).tolist() for seed in (0, 1)]
    assert orders[0] != orders[1]
    one, other = (counts(uneven(20, replicated(Digits(), r), imbalance_seed=1)) for r in (0, 6))
    assert sorted(one) == sorted(other) != one == other


def test_the_largest_class_may_be_given() -> None:
    assert counts(uneven(20, imbalance_max=60)) == sizes(60, 10, Changes(imbalance=20))
    with pytest.raises(ValueError, match=r"^imbalance=10 keeps 107 training examples of 0, which has 106; leave"):
        _ = uneven(10, imbalance_max=107).splits
    with pytest.raises(ValueError, match=r"^imbalance=300 leaves no training example of 8: the largest class keeps 10"):
        _ = uneven(300).splits


def test_replicates_are_measured_alike_whatever_their_own_counts_are() -> None:
    assert uneven(1, replicated(Digits(), 0)).uneven_counts() is None
    assert replicated(uneven(30), 0).uneven_counts() == counts(replicated(uneven(30), 0))
