"""Fewer training examples of each class: exact, nested, and drawn by the split alone."""

import numpy as np
import pytest

from lossbench.data.changes.settings import Changes
from lossbench.data.digits import Digits
from lossbench.data.source import Source, replicated


def few(k: int | None, replicate: int | None = None, **settings: object) -> Source:
    source = Digits() if replicate is None else replicated(Digits(), replicate)
    return source.with_changes(Changes.of({"images_per_class": k, **settings}))


@pytest.mark.parametrize("replicate", [None, 3])
def test_so_many_of_each_class_are_kept_and_smaller_subsets_are_within_larger_ones(replicate: int | None) -> None:
    whole = few(None, replicate).splits
    before: set[str] = set()
    for k in (1, 5, 20):
        splits = few(k, replicate).splits
        assert np.bincount(splits["train"].targets).tolist() == [k] * 10
        kept = {*splits["train"].ids.tolist()}
        assert before < kept < {*whole["train"].ids.tolist()}
        before = kept
        for name in ("val", "test"):
            assert np.array_equal(splits[name].ids, whole[name].ids)
    assert few(5, replicate).fingerprint() == few(None, replicate).fingerprint()
    assert {*few(5, 4).splits["train"].ids.tolist()} != {*few(5, replicate).splits["train"].ids.tolist()}


def test_labels_are_made_wrong_among_those_that_are_kept() -> None:
    source = few(10, label_noise=0.3)
    train = source.splits["train"]
    assert train.true_targets is not None
    wrong = train.targets != train.true_targets
    assert np.bincount(train.true_targets[wrong], minlength=10).tolist() == [3] * 10
    assert source.about_lines("digits")[-2].startswith("data: using 10 training examples of each class, 100 in all;")
    assert source.record()["train_counts"]["examples"] == 100


def test_a_class_with_fewer_examples_is_named() -> None:
    with pytest.raises(
        ValueError, match=r"^images_per_class must be <= 10\d \(class 0 has no more training exampl.*=all"
    ):
        _ = few(107).splits
