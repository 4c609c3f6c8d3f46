"""Looks are counted by the seeds they were taken with, and only those that could decide something."""

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from made_runs import compare_runs, cut_in_half, make_arm, make_run

from lossbench.errors import UserError
from lossbench.report.journal import Looks, name_of
from lossbench.report.sentences import sentences

SEEDS = range(8)


def looks_at(
    folder: Path, metric: str, baseline: str, seeds: Mapping[str, Sequence[int]]
) -> tuple[dict[str, int], str | None]:
    """Count and record the looks at a family: arm -> look, and why it could not be recorded."""
    looks = Looks(folder)
    counted = {arm: looks.count(name_of(metric, baseline, arm), common) for arm, common in seeds.items()}
    return counted, looks.save()


def test_the_same_seeds_are_the_same_look_and_added_seeds_the_next(tmp_path: Path) -> None:
    looks = Looks(tmp_path)
    counted = [
        looks.count("x", seeds)
        for seeds in (range(6), range(6), [5, 3, 4, 0, 1, 2], range(9), range(6), range(12), range(9))
    ]
    assert counted == [1, 1, 1, 2, 1, 3, 2]
    assert looks.seen == {"x": [[*range(6)], [*range(9)], [*range(12)]]}


def test_other_seeds_of_the_same_number_are_another_look(tmp_path: Path) -> None:
    looks = Looks(tmp_path)
    assert [looks.count("x", range(first, first + 6)) for first in (0, 1, 0)] == [1, 2, 1]


def test_looks_that_can_decide_nothing_are_not_counted(tmp_path: Path) -> None:
    looks = Looks(tmp_path)
    assert [looks.count("x", range(n)) for n in (1, 2, 5)] == [1, 1, 1]
    assert looks.seen == {}
    assert looks.count("x", range(6)) == 1
    # The second look needs ten times less than 5 %: 9 seeds.
    assert [looks.count("x", range(n)) for n in (7, 8, 9)] == [2, 2, 2]
    assert looks.seen == {"x": [[*range(6)], [*range(9)]]}


def test_looks_survive_and_each_comparison_has_its_own(tmp_path: Path) -> None:
    families = [
        ("test/accuracy", "base", "a"),
        ("test/nll", "base", "a"),
        ("test/accuracy", "other", "a"),
        ("test/accuracy", "base", "b"),
    ]
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
    assert json.loads((tmp_path / "looks.json").read_text()) == {"looks": {"m base arm": [[*SEEDS]]}, "decided": {}}


def test_a_look_that_cannot_be_recorded_says_why(tmp_path: Path) -> None:
    counted, reason = looks_at(tmp_path / "gone", "m", "base", {"arm": SEEDS})
    assert counted == {"arm": 1}
    assert reason is not None
    assert reason.startswith(f"cannot write {tmp_path / 'gone' / 'looks.json'}: No such file")


HISTORIES = ("3", "[1, 2]", '[["1"]]', "[[true]]", "[[1.5]]")
DECISIONS = ("3", "[]", '["better", 8]', '["equivalent", 8, 1]', '["worse", "8", 1]', '["better", 8, true]')


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "[]",
            "\x00",
            '{"looks": []}',
            '{"looks": {}, "decided": 0}',
            '{"looks": {}, "more": {}}',
            '{"m base arm": [[1, 2]]}',
        ),
        *(f'{{"looks": {{"x": {history}}}}}' for history in HISTORIES),
        *(f'{{"looks": {{}}, "decided": {{"x": {decision}}}}}' for decision in DECISIONS),
    ],
)
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
        first = compare_runs(study(0, 7)).paired["power"] if _ == 0 else compare_runs(study(0, 0)).paired["power"]
        assert (first.look, first.p_adjusted) == (1, 2 / 2**7)
    second = compare_runs(study(7, 8)).paired["power"]
    assert (second.look, second.p_adjusted) == (2, 10 * 2 / 2**8)
    third = compare_runs(study(8, 10)).paired["power"]  # the look with 8 seeds could decide nothing
    assert (third.look, third.p_adjusted) == (2, 10 * 2 / 2**10)


def pair(folder: Path, differences: Sequence[float], *, first: int = 0, loss: str = "power") -> Path:
    """Add seeds with these differences to a study."""
    if loss == "power":
        make_arm(folder, "cross_entropy", [0.5] * len(differences), first=first)
    make_arm(folder, loss, [0.5 + difference for difference in differences], first=first)
    return folder


def test_what_was_decided_stays_decided_when_a_seed_is_added(study: Callable[[int, int], Path]) -> None:
    found = compare_runs(folder := study(0, 7))
    assert (found.paired["power"].verdict, found.standing) == ("better", {})
    assert list(json.loads((folder / "looks.json").read_text())["decided"].values()) == [["better", 7, 1]]
    found = compare_runs(study(7, 8))  # 8 seeds can give no p below 0.05 at the second look
    one = found.paired["power"]
    assert (one.verdict, one.more, found.standing) == ("better", None, {"power": (7, 1)})
    (said,) = sentences(found)
    assert said.startswith(
        "power was found better than cross_entropy at look 1 with 7 seeds, which stands: +2.82 points (95 % interval "
    )
    assert said.endswith(", n = 8 seeds) now.")
    found = compare_runs(study(8, 10))  # decided again
    assert (found.paired["power"].verdict, found.standing) == ("better", {})
    assert list(json.loads((folder / "looks.json").read_text())["decided"].values()) == [["better", 7, 1]]


def test_a_worse_loss_stays_worse(tmp_path: Path) -> None:
    assert compare_runs(pair(tmp_path, [-0.03] * 7)).paired["power"].verdict == "worse"
    found = compare_runs(pair(tmp_path, [-0.01], first=7))
    assert (found.paired["power"].verdict, found.standing) == ("worse", {"power": (7, 1)})


def test_what_was_decided_falls_when_the_mean_changes_sign(tmp_path: Path) -> None:
    compare_runs(pair(tmp_path, [0.03] * 7))
    found = compare_runs(pair(tmp_path, [-0.4], first=7))
    assert (found.paired["power"].verdict, found.standing) == ("undecided", {})
    found = compare_runs(pair(tmp_path, [0.4], first=8))
    assert (found.paired["power"].verdict, found.standing) == ("better", {"power": (7, 1)})


def test_what_was_open_at_the_first_look_has_to_pass_the_second(tmp_path: Path) -> None:
    assert compare_runs(pair(tmp_path, [0.02, -0.01] * 3)).paired["power"].verdict == "undecided"
    found = compare_runs(pair(tmp_path, [0.02] * 6, first=6))
    one = found.paired["power"]
    assert 0.005 < one.p < 0.05
    assert (one.look, one.verdict, found.standing) == (2, "undecided", {})


def test_an_earlier_look_taken_again_says_what_it_said(tmp_path: Path) -> None:
    folder = pair(tmp_path / "study", [0.02, -0.01] * 3)
    early = list(folder.glob("*/seed*"))
    first = compare_runs(folder)
    assert compare_runs(pair(folder, [0.02] * 12, first=6)).paired["power"].verdict == "better"
    again = compare_runs(*early)
    assert again.paired == first.paired
    assert (again.paired["power"].look, again.paired["power"].verdict, again.standing) == (1, "undecided", {})


def test_more_losses_at_the_same_seeds_are_judged_together(tmp_path: Path) -> None:
    noisy = [0.05, 0.01, 0.06, 0.01, 0.002, 0.01, 0.09]
    assert compare_runs(pair(tmp_path, noisy)).paired["power"].verdict == "better"
    for k, loss in enumerate(("cosine", "inverse", "focal")):
        pair(tmp_path, np.random.default_rng(k).normal(0, 0.05, 7).tolist(), loss=loss)
    found = compare_runs(tmp_path)
    assert {one.look for one in found.paired.values()} == {1}
    assert {one.verdict for one in found.paired.values()} == {"undecided"}
    assert found.standing == {}
    assert json.loads((tmp_path / "looks.json").read_text())["decided"] == {}


@pytest.mark.parametrize("loss", ["power", "cross_entropy"])
@pytest.mark.parametrize(("last", "verdict"), [(0.03, "better"), (-0.1, "undecided"), (-0.4, "undecided")])
def test_a_failed_run_that_is_done_again_is_no_second_look(
    tmp_path: Path, loss: str, last: float, verdict: str
) -> None:
    folder = pair(pair(tmp_path / "study", [0.03] * 7), [last], first=7)
    at_once = compare_runs(folder)
    before = (folder / "looks.json").read_bytes()
    (folder / "looks.json").unlink()
    run = next(folder.glob(f"*-{loss}-*/seed7"))
    shutil.move(run, tmp_path / "kept")
    make_run(folder, loss, 7, state="failed")
    first = compare_runs(folder)
    one = first.paired["power"]
    assert (one.n, one.look, one.verdict, first.unfinished) == (7, 1, "better", {loss: [7]})
    shutil.rmtree(run)
    shutil.move(tmp_path / "kept", run)
    again = compare_runs(folder)
    assert again.paired == at_once.paired
    assert (again.paired["power"].look, again.paired["power"].verdict, again.standing) == (1, verdict, {})
    assert (folder / "looks.json").read_bytes() == before


def test_a_run_that_fails_for_good_leaves_what_was_decided(tmp_path: Path) -> None:
    folder = pair(tmp_path / "study", [0.03] * 7)
    make_run(folder, "cross_entropy", 7)
    make_run(folder, "power", 7, state="failed")
    assert compare_runs(folder).paired["power"].verdict == "better"
    found = compare_runs(pair(folder, [0.03], first=8))
    assert found.paired["power"].look == 2
    assert (found.paired["power"].verdict, found.standing) == ("better", {"power": (7, 1)})


def test_the_looks_lie_beside_the_runs_of_the_baseline(study: Callable[[int, int], Path], tmp_path: Path) -> None:
    folder = study(0, 7)
    found = compare_runs(folder)
    assert found.baseline is not None
    (name,) = json.loads((folder / "looks.json").read_text())["looks"]
    assert name == f"test/accuracy {found.baseline.digest[:16]} {found.others[0].digest[:16]}"
    assert found.unrecorded is None
