"""Subsets depend on names and seed alone, and smaller ones are within larger ones."""

import math
import os
import random
import subprocess
import sys
from fractions import Fraction
from itertools import pairwise

import pytest

from lossbench.data.images.decode import ENDINGS
from lossbench.data.images.subset import SUFFIXES, by_class, first_of_each, hold_out, ranked

NAMES = [f"n{i % 3}/{i}.jpg" for i in range(60)]
FRACTIONS = [0.01, 0.1, 0.2, 1 / 3, 0.5, 0.7, 0.99]


def test_the_rank_is_independent_of_the_order_given_and_looks_random() -> None:
    shuffled = random.Random(0).sample(NAMES, len(NAMES))
    assert ranked(shuffled, 0) == ranked(iter(NAMES), 0)
    assert sorted(ranked(NAMES, 0)) == sorted(NAMES)
    places = [ranked(NAMES, 0).index(name) for name in NAMES]
    assert 0.3 < sum(a < b for a, b in pairwise(places)) / len(places) < 0.7


def test_the_seed_decides_the_rank() -> None:
    assert len({tuple(ranked(NAMES, seed)) for seed in range(20)}) == 20


def test_a_rank_once_published_stays() -> None:
    assert ranked([f"n01440764/{i}.JPEG" for i in range(8)], 0) == [
        f"n01440764/{i}.JPEG" for i in (3, 0, 2, 5, 6, 4, 7, 1)
    ]


def test_leaving_a_name_out_moves_no_other() -> None:
    assert ranked(NAMES[1:], 5) == [name for name in ranked(NAMES, 5) if name != NAMES[0]]


def test_pythons_hash_seed_plays_no_part() -> None:
    code = "from lossbench.data.images.subset import ranked; print(ranked({f'n/{i}.jpg' for i in range(50)}, 3))"
    answers = {
        subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert answers == {f"{ranked([f'n/{i}.jpg' for i in range(50)], 3)}\n".encode()}


def test_names_that_are_not_utf_8_have_a_rank() -> None:
    names = [os.fsdecode(b"n/\xff.jpg"), os.fsdecode(b"n/\xfe.jpg"), "n/é.jpg"]
    assert ranked(names, 0) == ranked(names[::-1], 0)


@pytest.mark.parametrize("fraction", FRACTIONS)
def test_holding_out_divides_evenly_and_nested(fraction: float) -> None:
    parts = [hold_out(NAMES[:n], fraction) for n in range(len(NAMES) + 1)]
    for n, (kept, taken) in enumerate(parts):
        assert sorted([*kept, *taken]) == sorted(NAMES[:n])
        assert [name for name in NAMES if name in {*kept}] == kept
        assert abs(len(taken) - fraction * n) <= 0.5 + 1e-9
    for (kept, taken), (more_kept, more_taken) in pairwise(parts):
        assert {*kept} <= {*more_kept}
        assert {*taken} <= {*more_taken}


@pytest.mark.parametrize("fraction", [Fraction(k, 16) for k in range(16)])
def test_holding_out_as_a_naive_loop_does(fraction: Fraction) -> None:
    kept, taken = [], []
    for count, name in enumerate(NAMES, 1):
        due = math.floor(fraction * count + Fraction(1, 2))
        (taken if len(taken) < due else kept).append(name)
    assert hold_out(NAMES, float(fraction)) == (kept, taken)


def test_the_published_fraction_takes_every_fifth() -> None:
    assert hold_out("abcdefghijkl", 0.2) == (list("abdefgijkl"), ["c", "h"])
    assert [len(hold_out(NAMES[:n], 0.2)[1]) for n in (1, 2, 3, 5, 10, 50)] == [0, 0, 1, 1, 2, 10]


def test_the_first_of_each_class() -> None:
    groups = {"b": ("4", "1", "3"), "a": ("9", "8")}
    assert first_of_each(groups, 2) == {"b": ["4", "1"], "a": ["9", "8"]}
    assert first_of_each(groups, None) == {"b": ["4", "1", "3"], "a": ["9", "8"]}


def test_more_than_a_class_has_says_which_and_what_to_do() -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - compared whole
        first_of_each({"b": ("4", "1", "3"), "a": ("9", "8")}, 3)
    assert (
        str(caught.value)
        == "images_per_class must be <= 2 (class a has no more), got 3; images_per_class=null takes all"
    )


def test_classes_are_the_first_folders_on_the_way_in_alphabetical_order() -> None:
    names = ["train/b/2.jpg", "train/a/deep/er/1.jpg", "other/b/1.jpg", "train/B/9.jpg"]
    assert list(by_class(names, 1).items()) == [
        ("B", ["train/B/9.jpg"]),
        ("a", ["train/a/deep/er/1.jpg"]),
        ("b", ["train/b/2.jpg", "other/b/1.jpg"]),
    ]
    assert [*by_class(names, 0)] == ["other", "train"]


def test_every_kind_that_can_be_read_is_looked_for() -> None:
    assert {ending for endings in ENDINGS.values() for ending in endings} <= {*SUFFIXES}
