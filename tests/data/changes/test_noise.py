"""Wrong labels: exact, nested, and drawn by the split alone."""

import numpy as np
import pytest

from lossbench.data.changes.noise import wrong
from lossbench.data.changes.settings import Changes
from lossbench.data.digits import Digits
from lossbench.data.source import Source, replicated


def noisy(rate: float, source: Source | None = None, **settings: object) -> Source:
    return (source or Digits()).with_changes(Changes.of({"label_noise": rate, **settings}))


@pytest.mark.parametrize("replicate", [None, 3])
def test_rates_are_exact_within_each_class_and_wrong_labels_spread_evenly(replicate: int | None) -> None:
    clean = Digits() if replicate is None else replicated(Digits(), replicate)
    source = noisy(0.4, clean)
    for name in ("train", "val"):
        split, before = source.splits[name], clean.splits[name]
        assert split.true_targets is not None
        assert np.array_equal(split.ids, before.ids)
        assert np.array_equal(split.true_targets, before.targets)
        moved = np.zeros((10, 10), dtype=int)
        np.add.at(moved, (split.true_targets, split.targets), 1)
        counts = moved.sum(1)
        off = moved[~np.eye(10, dtype=bool)].reshape(10, 9)
        assert off.sum(1).tolist() == np.floor(0.4 * counts + 0.5).tolist()
        assert (np.ptp(off, axis=1) <= 1).all()
    assert source.splits["test"] is source.unchanged["test"]
    assert not wrong(source.splits["test"]).any()


def test_a_higher_rate_adds_wrong_labels_to_those_of_a_lower_one() -> None:
    before = noisy(0.0).splits["train"].targets
    for low, high in ((0.1, 0.2), (0.2, 0.5), (0.5, 1.0)):
        few, many = noisy(low).splits["train"].targets, noisy(high).splits["train"].targets
        kept = few != before
        assert kept.sum() < (many != before).sum()
        assert np.array_equal(few[kept], many[kept])
    assert (noisy(1.0).splits["train"].targets != before).all()


def test_splits_and_changes_may_come_in_either_order() -> None:
    one = noisy(0.3, replicated(Digits(), 2)).splits["train"]
    other = replicated(noisy(0.3), 2).splits["train"]
    assert np.array_equal(one.targets, other.targets)
    assert not np.array_equal(one.targets, replicated(noisy(0.3, Digits(split_seed=1)), 2).splits["train"].targets)
    again = noisy(0.3).with_changes(Changes())
    assert again.splits["train"].true_targets is None


def test_validation_may_stay_clean() -> None:
    source = noisy(0.4, noise_validation=False)
    assert source.splits["val"] is source.unchanged["val"]
    assert "not validation" in source.about_lines("digits")[1]


def test_the_data_say_what_was_changed_and_have_the_fingerprint_of_before() -> None:
    source = noisy(0.4)
    assert source.about_lines("digits")[1] == (
        "data: 40.13 % of the training labels are wrong: 433 of 1,079, symmetric; "
        "validation too (39.28 %); test is clean"
    )
    record = source.record()["changes"]["label_noise"]
    assert record["splits"] == {
        "train": {"wrong": 433, "of": 1079},
        "val": {"wrong": 141, "of": 359},
        "test": {"wrong": 0, "of": 359},
    }
    assert sum(each["wrong"] for each in record["classes"].values()) == 433
    assert source.fingerprint() == Digits().fingerprint()
    assert "changes" not in Digits().record()
