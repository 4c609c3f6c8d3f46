"""Splits and fingerprints, on any data set."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import ClassVar

import numpy as np
import pytest

from lossbench.data.checks import check_settings, check_splits
from lossbench.data.source import SPLITS, Source, Split, replicated, stratified_split
from lossbench.data.toy import Toy
from lossbench.data.toys import ToyRegression

TARGETS = np.repeat(np.arange(4), [50, 30, 10, 5])[np.random.default_rng(0).permutation(95)]


def split(seed: int = 0, per_class: int | None = None) -> dict[str, np.ndarray]:
    return stratified_split(TARGETS, np.random.default_rng(seed), val=0.2, test=0.3, per_class=per_class)


@dataclass(frozen=True)
class Tiny(Source):
    """Three splits that can be changed in one place."""

    change: str = ""
    class_names: ClassVar[tuple[str, ...]] = ("a", "b")
    input_shape: ClassVar[tuple[int, ...]] = (2,)

    def load(self) -> Mapping[str, Split]:
        whole = Split(np.arange(6, dtype=np.float32).reshape(3, 2), np.array([0, 1, 0]), np.array(["ü", "b", "c"]))
        if self.change in CHANGES:
            whole = replace(whole, **CHANGES[self.change](whole))
        parts = [whole, whole.take(np.arange(2)), whole.take(np.arange(1))]
        if self.change == "swap":
            parts[1:] = parts[:0:-1]
        if self.change == "no val":
            parts[1] = whole.take(np.arange(0))
        return dict(zip(SPLITS, parts, strict=True))


LAST = np.array([0, 0, 1])
NEXT = np.array([[0, 0], [0, 1], [0, 0]], dtype=np.float32)
CHANGES: dict[str, Callable[[Split], dict[str, np.ndarray]]] = {
    "pixel": lambda split: {"inputs": split.inputs + NEXT * np.spacing(split.inputs)},
    "target": lambda split: {"targets": split.targets + LAST},
    "class": lambda split: {"targets": split.targets + 2 * LAST},
    "id": lambda split: {"ids": np.array([*split.ids[:2], "d"])},
    "no id": lambda split: {"ids": np.arange(3)},
    "shape": lambda split: {"inputs": split.inputs.reshape(3, 2, 1)},
    "dtype": lambda split: {"inputs": split.inputs.astype(np.float64)},
    "layout": lambda split: {
        "inputs": np.asfortranarray(split.inputs),
        "targets": split.targets.astype(np.int32),
        "ids": split.ids.astype("U20"),
    },
}


def test_every_example_is_in_exactly_one_split() -> None:
    parts = split()
    assert sorted(np.concatenate(list(parts.values())).tolist()) == list(range(95))
    assert all((np.diff(part) > 0).all() for part in parts.values())


def test_every_class_is_split_by_the_same_fractions() -> None:
    counts = {name: np.bincount(TARGETS[part], minlength=4).tolist() for name, part in split().items()}
    assert counts == {"train": [25, 15, 5, 2], "val": [10, 6, 2, 1], "test": [15, 9, 3, 2]}


def test_smaller_subsets_are_nested_and_leave_val_and_test_alone() -> None:
    parts = [split(per_class=n) for n in (1, 2, None)]
    for small, large in pairwise(parts):
        assert set(small["train"]) < set(large["train"])
        assert all(np.array_equal(small[name], large[name]) for name in ("val", "test"))
    assert np.bincount(TARGETS[parts[1]["train"]]).tolist() == [2, 2, 2, 2]


def test_too_many_for_the_smallest_class() -> None:
    with pytest.raises(
        ValueError, match=r"images_per_class must be <= 2 \(class 3 has no more training images\), got 3"
    ):
        split(per_class=3)


def test_the_seed_decides_the_split() -> None:
    assert all(np.array_equal(split(1)[name], split(1)[name]) for name in SPLITS)
    assert not any(np.array_equal(split(1)[name], split(2)[name]) for name in SPLITS)


def test_fingerprint_is_stable() -> None:
    assert Tiny().fingerprint() == Tiny().fingerprint() == Tiny("layout").fingerprint()
    assert Toy().fingerprint() == "d4db3a40843b0a72"


@pytest.mark.parametrize("change", ["pixel", "target", "id", "shape", "dtype", "swap"])
def test_fingerprint_sees_any_change(change: str) -> None:
    assert Tiny(change).fingerprint() != Tiny().fingerprint()


def test_splits_are_read_once() -> None:
    source = Tiny()
    assert source.splits is source.splits
    assert source.initial_weight(0) is None
    assert source.num_classes == 2


WRONG = [
    ("shape", r"load\(\): train inputs must be float32 \(3, 2\), got float32 \(3, 2, 1\)"),
    ("dtype", r"load\(\): train inputs must be float32 \(3, 2\), got float64 \(3, 2\)"),
    ("layout", r"load\(\): train targets must be int64 \(3,\), got int32 \(3,\)"),
    ("class", r"load\(\): train targets must be within 0 and 1, got 0 to 2"),
    ("no id", r"load\(\): train ids must be str \(3,\), got int64 \(3,\)"),
    ("no val", r"load\(\) must give examples for train, val and test, and gives none for val"),
]


@pytest.mark.parametrize(("change", "line"), WRONG)
def test_wrong_splits_are_named_in_one_line(change: str, line: str) -> None:
    check_splits(Tiny())
    with pytest.raises(ValueError, match=f"^{line}$"):
        check_splits(Tiny(change))


def test_what_is_no_split_is_named_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    good = Tiny().load()
    train = good["train"]
    wrong = {
        r"load\(\) must give a mapping of splits by name, got list": [train],
        r"load\(\): train must be a Split, got tuple": {**good, "train": (1, 2)},
        r"load\(\): train inputs must be a NumPy array float32 \(3, 2\), got list": {
            **good,
            "train": replace(train, inputs=train.inputs.tolist()),
        },
    }
    for line, splits in wrong.items():
        monkeypatch.setattr(Tiny, "load", lambda self, splits=splits: splits)
        with pytest.raises(ValueError, match=f"^{line}$"):
            check_splits(Tiny())


def test_a_model_needs_something_to_give(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Tiny, "class_names", ())
    with pytest.raises(ValueError, match=r"^class_names must name what the model gives, one number or more, got 0$"):
        check_splits(Tiny())


def test_taking_keeps_rows_together() -> None:
    taken = Tiny().splits["train"].take(np.array([2, 0]))
    assert (taken.inputs.tolist(), taken.targets.tolist(), taken.ids.tolist(), len(taken)) == (
        [[4, 5], [0, 1]],
        [0, 0],
        ["c", "ü"],
        2,
    )


@dataclass(frozen=True)
class Published(Source):
    """Nine examples of two classes to learn from and three published ones to test on."""

    ids: str = "abcdefghijkl"
    class_names: ClassVar[tuple[str, ...]] = ("a", "b")
    input_shape: ClassVar[tuple[int, ...]] = (1,)

    def load(self) -> Mapping[str, Split]:
        whole = Split(np.arange(12, dtype=np.float32)[:, None], np.arange(12) % 2, np.array(list(self.ids)))
        parts = np.split(np.arange(12), (5, 9))
        return {name: whole.take(part) for name, part in zip(SPLITS, parts, strict=True)}


def test_replicates_draw_train_and_val_anew_and_keep_a_published_test_part() -> None:
    source = Published()
    replicates = [replicated(source, r) for r in range(20)]
    for each in replicates:
        check_splits(each)
        train, val, test = (each.splits[name] for name in SPLITS)
        assert (len(train), len(val), test.ids.tolist()) == (5, 4, list("jkl"))
        assert sorted([*train.ids.tolist(), *val.ids.tolist()]) == list("abcdefghi")
        assert np.bincount(val.targets).tolist() == [2, 2]
        assert each.record() | {"pool": 12, "folds": None} == each.record()
        assert each.published_test
    assert len({each.splits["val"].ids.tobytes() for each in replicates}) > 15
    again = replicated(replicated(Published(), 4), 7)
    assert again.splits["val"].ids.tolist() == replicates[7].splits["val"].ids.tolist()


def test_the_fingerprint_of_replicates_is_that_of_the_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    source = Published()
    (shared,) = {replicated(source, r).fingerprint() for r in range(3)}
    assert shared == replicated(Published(), 5).fingerprint() != source.fingerprint()
    assert replicated(Published("abcdefghijkm"), 0).fingerprint() != shared
    monkeypatch.setattr(Published, "draw", lambda self, r: {**Source.draw(self, r), "val": np.arange(4)})
    assert replicated(Published(), 0).fingerprint() != shared


def test_what_replicates_share_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    read, load = list[int](), Published.load
    monkeypatch.setattr(Published, "load", lambda self: read.append(1) or load(self))
    source = Published()
    for r in range(4):
        _ = replicated(source, r).splits, replicated(source, r).fingerprint()
    assert read == [1]


def test_replicates_need_ids_of_their_own() -> None:
    check_splits(Published("abcdefghiabc"))
    with pytest.raises(ValueError, match=r"^load\(\): replicate= needs ids that differ .* 'a' is there 2 times"):
        check_splits(replicated(Published("abcdefghiabc"), 0))


def test_targets_that_are_no_classes_are_drawn_plainly() -> None:
    replicate = replicated(ToyRegression(n=64), 3)
    check_splits(replicate)
    assert [len(replicate.splits[name]) for name in SPLITS] == [64, 64, 64]
    assert {name.partition("-")[0] for name in replicate.splits["val"].ids.tolist()} == {"train", "val"}
    assert {name.partition("-")[0] for name in replicate.splits["test"].ids.tolist()} == {"test"}


def test_the_toy_has_the_same_four_examples_in_every_replicate() -> None:
    replicate = replicated(Toy(), 8)
    check_splits(replicate)
    assert all(split.ids.tolist() == ["0", "1", "2", "3"] for split in replicate.splits.values())
    assert replicate.fingerprint() == replicated(Toy(), 0).fingerprint()


def test_a_setting_with_the_name_of_a_part_of_replicates_is_refused() -> None:
    @dataclass(frozen=True)
    class Own(Published):
        folds: int = 3  # pyright: ignore[reportIncompatibleVariableOverride, reportIncompatibleMethodOverride] - the mistake

    with pytest.raises(ValueError, match=r"^folds is a name of lossbench\.data\.source\.Source; give"):
        check_settings(Own())


def test_the_first_screen_says_classes_counts_and_imbalance() -> None:
    (line,) = Tiny().about_lines("custom")
    counts = "2 classes, 3 train / 2 val / 1 test examples, 1 to 2 training examples a class"
    assert line == f"data: custom, {counts} (the largest class has 2 times the examples of the smallest)"
    (line,) = ToyRegression().about_lines("toy_regression")
    assert line == "data: toy_regression, regression, 512 train / 512 val / 512 test examples"


def test_the_first_screen_says_what_replicates_share(monkeypatch: pytest.MonkeyPatch) -> None:
    source = Published()
    assert replicated(source, 1).about()[1:] == ["every replicate keeps the test part; train and val are drawn anew"]
    monkeypatch.setattr(Published, "folds", 5)
    fresh = replicated(Published(), 1).about()[1:]
    assert fresh == [f"each replicate is tested on one of 5 folds of all {len(source.pool())} examples"]


def test_a_folder_named_by_others_is_one_harmless_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Tiny, "title", "cats\n\x1b[2J")
    assert Tiny().about_lines("custom")[0].startswith("data: cats\\n\\x1b[2J (custom), 2 classes, ")
