"""Classes that are declared to be in order: names, indices, and what is refused."""

import copy
import pickle
from pathlib import Path

import numpy as np
import pytest
from conftest import plan_run

from lossbench.data.changes.settings import Changes
from lossbench.data.digits import Digits
from lossbench.data.source import Source, replicated
from lossbench.data.toys import ToyLabels
from lossbench.errors import UserError
from lossbench.training.features.source import FeatureSource

BACKWARDS = [*map(str, range(9, -1, -1))]


def backwards(source: Source | None = None, **changes: object) -> Source:
    return (source or Digits()).with_changes(Changes.of({"ordered": BACKWARDS, **changes}))


@pytest.mark.parametrize("replicate", [None, 3])
def test_names_and_indices_are_in_the_declared_order(replicate: int | None) -> None:
    plain = Digits() if replicate is None else replicated(Digits(), replicate)
    for source in (backwards(plain), copy.copy(backwards(plain)), pickle.loads(pickle.dumps(backwards(plain)))):
        assert (source.task, list(source.class_names), type(source).__name__) == ("ordinal", BACKWARDS, "Digits")
        for name, split in source.splits.items():
            assert np.array_equal(split.targets, 9 - plain.splits[name].targets)
            assert np.array_equal(split.ids, plain.splits[name].ids)
        assert source.record()["task"] == "ordinal"
        assert source.fingerprint() == plain.fingerprint()
        assert "10 classes in order" in source.about_lines("digits")[0]


def test_other_changes_come_after_the_order_and_none_takes_it_back() -> None:
    noisy = backwards(label_noise=0.2).splits["train"]
    assert noisy.true_targets is not None
    assert np.array_equal(noisy.true_targets, 9 - Digits().splits["train"].targets)
    assert replicated(backwards(), 1).task == "ordinal"
    assert backwards().with_changes(Changes()).task == "classification"
    own = Digits().with_changes(Changes(ordered=True))
    assert np.array_equal(own.splits["test"].targets, Digits().splits["test"].targets)


def test_features_of_images_follow_the_order_of_the_images() -> None:
    plain = Digits()
    features = FeatureSource(plain.splits, plain.own_names)
    for order in (True, tuple(BACKWARDS)):
        source = features.with_changes(Changes(ordered=order))
        assert (source.task, source.num_classes, source.own_names) == ("ordinal", 10, plain.class_names)
        expected = plain.splits["test"].targets
        assert np.array_equal(source.splits["test"].targets, expected if order is True else 9 - expected)
        assert source.class_names == (plain.class_names if order is True else order)


@pytest.mark.parametrize(
    ("order", "line"),
    [
        (["0", "1"], "ordered must name every class, from the lowest to the highest; it lacks 2, 3, 4"),
        ([*BACKWARDS, "9"], "ordered must name every class once, and names 9 2 times"),
        ([*BACKWARDS[:9], "O"], "ordered names a class that the data do not have: O; "),
    ],
)
def test_an_order_that_is_none(order: list[str], line: str) -> None:
    with pytest.raises(ValueError, match=line):
        _ = Digits().with_changes(Changes.of({"ordered": order})).class_names


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["data=digits", "data.ordered=[0,1]"], r"^data.ordered must name every class.*it lacks 2, 3"),
        (["data=digits", "data.ordered=maybe"], r"^data.ordered must be true, or all classes .*, got 'maybe'$"),
        (
            ["data=toy_labels", "data.ordered=true"],
            r"^data.ordered puts classes in order.*is multi_label; leave it out",
        ),
        (["data=digits", "loss=coral"], r"^loss=coral is for ordinal, .* is classification.*data.ordered=true"),
        (["data=toy_ordinal", "loss=l1"], r"^loss=l1 is for regression and vectors, .* is ordinal; .*coral, corn"),
    ],
)
def test_refused_before_anything_is_planned(tmp_path: Path, words: list[str], line: str) -> None:
    with pytest.raises(UserError, match=line):
        plan_run(tmp_path / "runs", *words)


def test_the_order_is_part_of_a_run_and_other_tasks_have_none(tmp_path: Path) -> None:
    plain, ordered = (plan_run(tmp_path, "data=digits", *words).config for words in ([], ["data.ordered=true"]))
    assert "ordered" not in plain.record["data"]
    assert ordered.record["data"]["ordered"] is True
    assert (plain.monitor, ordered.monitor) == ("val/accuracy", "val/mae")
    with pytest.raises(ValueError, match="is multi_label"):
        _ = ToyLabels().with_changes(Changes(ordered=True)).task
