"""Looks are counted by the seeds they were taken with, and only those that could decide something."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from made_runs import ask, cut_in_half, make_arm

from lossbench.errors import UserError
from lossbench.study.looks import Looks, looks_at

SEEDS = range(8)


def test_the_same_seeds_are_the_same_look_and_added_seeds_the_next(tmp_path: Path) -> None:
    looks = Looks(tmp_path)
    counted = [looks.count("x", seeds, 1) for seeds in (range(6), range(6), [5, 3, 4, 0, 1, 2], range(9), range(6), range(12), range(9))]
    assert counted == [1, 1, 1, 2, 1, 3, 2]
    assert looks.seen == {"x": [[*range(6)], [*range(9)], [*range(12)]]}


def test_other_seeds_of_the_same_number_are_another_look(tmp_path: Path) -> None:
    looks = Looks(tmp_path)
    assert [looks.count("x", range(first, first + 6), 1) for first in (0, 1, 0)] == [1, 2, 1]


def test_looks_that_can_decide_nothing_are_not_counted(tmp_path: Path) -> None:
    looks = Looks(tmp_path)
    assert [looks.count("x", range(n), 1) for n in (1, 2, 5)] == [1, 1, 1]
    assert looks.seen == {}
    assert looks.count("x", range(6), 1) == 1
    # The second look needs ten times less than 5 %: 9 seeds for one comparison.
    assert [looks.count("x", range(n), 1) for n in (7, 8, 9)] == [2, 2, 2]
    assert looks.seen == {"x": [[*range(6)], [*range(9)]]}


def test_more_comparisons_need_more_seeds_to_count(tmp_path: Path) -> None:
    looks = Looks(tmp_path)
    assert [looks.count("few", range(7), 6), looks.count("enough", range(8), 6)] == [1, 1]
    assert set(looks.seen) == {"enough"}


def test_looks_survive_and_each_comparison_has_its_own(tmp_path: Path) -> None:
    families = [("test/accuracy", "base", "a"), ("test/nll", "base", "a"), ("test/accuracy", "other", "a"), ("test/accuracy", "base", "b")]
    for metric, baseline, arm in families:
        assert looks_at(tmp_path, metric, baseline, {arm: SEEDS}) == ({arm: 1}, None)
        assert looks_at(tmp_path, metric, baseline, {arm: range(12)}) == ({arm: 2}, None)
    for metric, baseline, arm in families:
        assert looks_at(tmp_path, metric, baseline, {arm: SEEDS}) == ({arm: 1}, None)
        assert looks_at(tmp_path, metric, baseline, {arm: range(14)}) == ({arm: 3}, None)


def test_arms_of_a_family_are_counted_one_by_one(tmp_path: Path) -> None:
    looks_at(tmp_path, "m", "base", {"old": range(10)})
    assert looks_at(tmp_path, "m", "base", {"old": range(12), "new": range(12)})[0] == {"old": 2, "new": 1}


def test_the_file_is_left_alone_where_nothing_is_new(tmp_path: Path) -> None:
    looks_at(tmp_path, "m", "base", {"arm": range(3)})
    assert not (tmp_path / "looks.json").exists()
    looks_at(tmp_path, "m", "base", {"arm": SEEDS})
    before = (tmp_path / "looks.json").stat()
    looks_at(tmp_path, "m", "base", {"arm": SEEDS})
    assert (tmp_path / "looks.json").stat().st_mtime_ns == before.st_mtime_ns
    assert json.loads((tmp_path / "looks.json").read_text()) == {"m base arm": [[*SEEDS]]}


def test_a_look_that_cannot_be_recorded_says_why(tmp_path: Path) -> None:
    counted, reason = looks_at(tmp_path / "gone", "m", "base", {"arm": SEEDS})
    assert counted == {"arm": 1}
    assert reason is not None
    assert reason.startswith(f"cannot write {tmp_path / 'gone' / 'looks.json'}: No such file")


@pytest.mark.parametrize("text", ["", "[]", '{"x": 3}', '{"x": [1, 2]}', '{"x": [["1"]]}', '{"x": [[true]]}', '{"x": [[1.5]]}', "\x00"])
def test_a_damaged_file_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "looks.json").write_text(text)
    with pytest.raises(UserError, match=r"looks\.json is damaged.*; move it away, and every comparison counts as new$"):
        Looks(tmp_path)


def test_a_file_cut_in_half_is_named(tmp_path: Path) -> None:
    looks_at(tmp_path, "m", "base", {"arm": SEEDS})
    cut_in_half(tmp_path / "looks.json")
    with pytest.raises(UserError, match=r"looks\.json is damaged \(.+\); move it away") as caught:
        looks_at(tmp_path, "m", "base", {"arm": SEEDS})
    assert "\n" not in str(caught.value)


@pytest.fixture
def study(tmp_path: Path) -> Callable[[int, int], Path]:
    """Add seeds to a study in which power is better on every seed."""

    def add(first: int, after: int) -> Path:
        steps = [0.001 * seed for seed in range(first, after)]
        make_arm(tmp_path / "study", "cross_entropy", [0.8 + step for step in steps], first=first)
        make_arm(tmp_path / "study", "power", [0.83 + step / 2 for step in steps], first=first)
        return tmp_path / "study"

    return add


def test_adding_seeds_costs_a_factor_of_ten(study: Callable[[int, int], Path]) -> None:
    for _ in range(3):  # asking again costs nothing
        first = ask(study(0, 7)).comparisons["power"] if _ == 0 else ask(study(0, 0)).comparisons["power"]
        assert (first.look, first.p_adjusted, first.verdict) == (1, 2 / 2**7, "better")
    second = ask(study(7, 8)).comparisons["power"]
    assert (second.look, second.p_adjusted, second.verdict) == (2, 10 * 2 / 2**8, "undecided")
    third = ask(study(8, 10)).comparisons["power"]  # the look with 8 seeds could decide nothing
    assert (third.look, third.p_adjusted, third.verdict) == (2, 10 * 2 / 2**10, "better")


def test_the_looks_lie_beside_the_runs_of_the_baseline(study: Callable[[int, int], Path], tmp_path: Path) -> None:
    folder = study(0, 7)
    found = ask(folder)
    assert found.baseline is not None
    (name,) = json.loads((folder / "looks.json").read_text())
    assert name == f"test/accuracy {found.baseline.digest[:16]} {found.others[0].digest[:16]}"
    assert found.unrecorded is None
