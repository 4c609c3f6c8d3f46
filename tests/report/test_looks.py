"""Looks at a study: what counts as another look, what stands, and who belongs to the family."""

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from made_runs import change, compare_runs, make_arm, make_run, write

from lossbench.errors import UserError
from lossbench.report.comparison import Comparison
from lossbench.report.looks import History, Question, read_history
from lossbench.report.sentences import headline, sentences

ASKED = Question("test/accuracy", "base", 0.01)


def look_entry(question: Question = ASKED, data: str = "d", **more: Any) -> dict[str, Any]:
    arm = {"data": data, "units": [0, 1], "n": 2, "verdict": "undecided", "counts": True} | more
    return {"what": "look", "question": question._asdict(), "family": ["arm"], "arms": {"arm": arm}}


@pytest.mark.parametrize(
    "question", [("test/nll", "base", 0.01), ("test/accuracy", "other", 0.01), ("test/accuracy", "base", None)]
)
def test_another_question_is_another_look_and_the_same_is_the_same(question: tuple[str, str, float | None]) -> None:
    history, other = History(), Question(*question)
    history.add(look_entry())
    assert history.look("arm", ASKED, "d", [0, 1]) == 1
    assert history.look("arm", ASKED, "other scores", [0, 1]) == 2
    assert history.look("arm", other, "d", [0, 1]) == 2
    history.add(look_entry(other))
    assert (history.look("arm", ASKED, "d", [0, 1]), history.look("arm", other, "d", [0, 1])) == (1, 2)
    assert history.look("arm", ASKED, "later", [0, 1]) == 3
    assert history.questions(["arm"]) == 2


def test_looks_at_a_pair_count_whichever_of_the_two_is_the_baseline() -> None:
    history, turned = History(), ASKED._replace(baseline="arm")
    for data in ("d", "e", "f"):
        history.add(look_entry(data=data))
    assert history.look("base", turned, "d", [0, 1]) == 1  # the same scores of the same pair
    assert history.look("base", turned, "g", [0, 1]) == 4


def test_a_look_that_can_decide_nothing_is_not_counted() -> None:
    history = History()
    history.add(look_entry(counts=False))
    assert history.look("arm", ASKED, "later", [0, 1, 2]) == 1


def test_the_family_is_all_that_was_planned_or_reported_with_the_baseline() -> None:
    history = History()
    history.add({"what": "plan", "arms": {"base": {}, "a": {}, "b": {}}})
    history.add({"what": "plan", "arms": {"elsewhere": {}, "c": {}}})
    history.add(look_entry())
    assert history.family("base") == {"a", "b", "arm"}
    assert history.family("unknown") == set()


@pytest.mark.parametrize(
    "entry",
    [
        {},
        {"what": "look", "arms": []},
        {"what": "look", "arms": {}, "question": {"metric": 3}, "family": []},
        look_entry() | {"question": {"metric": "m", "baseline": "b"}},
        look_entry() | {"question": {"metric": "m", "baseline": "b", "margin": "wide"}},
        look_entry(units=[1.5]),
        look_entry(n=None),
        look_entry(counts=1),
    ],
)
def test_a_line_that_says_nothing_is_named_and_left_out(tmp_path: Path, entry: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r" must be "):
        History().add(entry)
    (tmp_path / "journal.jsonl").write_text(json.dumps({**entry, "previous": ""}) + "\n")
    history = read_history(tmp_path)
    assert history.seen == {}
    assert len(history.doubts) == 1


def test_old_looks_count_as_earlier_ones(tmp_path: Path) -> None:
    write(tmp_path / "looks.json", {"looks": {"test/accuracy base arm": [[0, 1], [0, 1, 2]]}, "decided": {}})
    history = read_history(tmp_path)
    looks = [history.look("arm", ASKED, "any", units) for units in ([0, 1], [0, 1, 2], [0, 1, 2, 3])]
    assert looks == [1, 2, 3]
    assert history.look("arm", Question("test/nll", "base", None), "any", [0, 1]) == 3


@pytest.mark.parametrize(
    "text", ["", "[]", "\x00", '{"looks": []}', '{"looks": {}, "more": {}}', '{"looks": {"x": 3}}']
)
def test_a_damaged_file_of_old_looks_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "looks.json").write_text(text)
    with pytest.raises(UserError, match=r"looks\.json is damaged.*; move it away, and its looks are not counted$"):
        read_history(tmp_path)


def add(folder: Path, differences: Sequence[float], *, first: int = 0, loss: str = "power") -> Path:
    """Add seeds with these differences to a study."""
    if loss == "power":
        make_arm(folder, "cross_entropy", [0.5] * len(differences), first=first)
    make_arm(folder, loss, [0.5 + difference for difference in differences], first=first)
    return folder


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "journal.jsonl").read_text().splitlines()]


CLEAR = [0.030, 0.031, 0.029, 0.032, 0.028, 0.030, 0.031]


def test_a_look_holds_question_family_outcomes_and_words(tmp_path: Path) -> None:
    folder = add(tmp_path / "study", CLEAR)
    found = compare_runs(folder)
    assert found.baseline is not None
    (line,) = lines(folder)
    (arm,) = line["arms"].values()
    assert line["question"] == {"metric": "test/accuracy", "baseline": found.baseline.digest[:16], "margin": 0.01}
    assert line["family"] == [found.others[0].digest[:16]]
    assert (arm["label"], arm["verdict"], arm["n"], arm["units"]) == ("power", "better", 7, [*range(7)])
    assert arm["outcomes"] == pytest.approx([0.5 + each for each in CLEAR])
    assert arm["baseline_outcomes"] == [0.5] * 7


def test_asking_again_costs_nothing_and_writes_nothing(tmp_path: Path) -> None:
    folder = add(tmp_path / "study", CLEAR)
    first = compare_runs(folder)
    assert [compare_runs(folder).paired == first.paired for _ in range(2)] == [True, True]
    assert len(lines(folder)) == 1


def test_too_few_units_take_no_look(tmp_path: Path) -> None:
    compare_runs(add(tmp_path / "study", CLEAR[:5]))
    assert not (tmp_path / "study" / "journal.jsonl").exists()


def test_adding_seeds_is_a_second_look(tmp_path: Path) -> None:
    folder = add(tmp_path / "study", CLEAR)
    assert compare_runs(folder).paired["power"].look == 1
    found = compare_runs(add(folder, [0.03] * 4, first=7)).paired["power"]
    assert (found.look, found.verdict) == (2, "better")
    assert found.p_adjusted >= 10 * found.p_sign_flip


@pytest.mark.parametrize("spec", [{"metric": "test/nll"}, {"margin": 0.02}])
def test_another_question_of_the_same_runs_is_a_second_look(tmp_path: Path, spec: dict[str, Any]) -> None:
    folder = add(tmp_path / "study", CLEAR * 2)
    first = compare_runs(folder)
    second = compare_runs(folder, **spec)
    assert (first.questions, second.questions, second.paired["power"].look) == (1, 2, 2)
    assert compare_runs(folder).paired == first.paired


def test_another_baseline_is_a_second_look_at_every_other_pair(tmp_path: Path) -> None:
    folder = add(add(tmp_path / "study", CLEAR), [0.01] * 7, loss="cosine")
    compare_runs(folder)
    found = compare_runs(folder, baseline="power")
    assert {label: pair.look for label, pair in found.paired.items()} == {"cross_entropy": 1, "cosine": 2}
    assert found.family == 2


@pytest.mark.parametrize("cause", ["diverged", None])
def test_a_failed_run_that_is_done_again_is_a_new_look(tmp_path: Path, cause: str | None) -> None:
    folder = add(add(tmp_path / "study", [0.02, -0.01, 0.03, 0.0, 0.01, 0.02, 0.01]), [0.03], first=7)
    run = next(folder.glob("*-power-*/seed7"))
    shutil.move(run, tmp_path / "kept")
    make_run(folder, "power", 7, state="failed", status={"cause": cause})
    first = compare_runs(folder)
    assert (first.paired["power"].look, first.paired["power"].n) == (1, 8 if cause else 7)
    shutil.rmtree(run)
    shutil.move(tmp_path / "kept", run)
    again = compare_runs(folder)
    assert (again.paired["power"].look, again.paired["power"].n) == (2, 8)


def test_what_was_decided_stays_decided_when_a_seed_is_added(tmp_path: Path) -> None:
    folder = add(tmp_path / "study", CLEAR)
    assert compare_runs(folder).paired["power"].verdict == "better"
    found = compare_runs(add(folder, [0.02], first=7))  # 8 seeds decide nothing at the second look
    assert (found.paired["power"].verdict, found.standing) == ("better", {"power": (7, 1)})
    (said,) = sentences(found)
    assert said.startswith(
        "power was found better than cross_entropy at look 1 with 7 seeds, which stands: +2.89 points"
    )
    found = compare_runs(add(folder, [-0.9], first=8))
    assert (found.paired["power"].verdict, found.standing) == ("undecided", {})  # the mean has changed sign


def test_what_was_found_slightly_better_stays_slight_and_its_interval_agrees(tmp_path: Path) -> None:
    folder = add(tmp_path / "study", [0.011, 0.007, 0.009, 0.011, 0.007, 0.008, 0.010])
    first = compare_runs(folder).paired["power"]
    assert (first.verdict, first.qualifier) == ("better", "slightly better")
    found = compare_runs(add(folder, [-0.02], first=7))
    pair = found.paired["power"]
    assert (pair.verdict, pair.qualifier, pair.low) == ("better", "slightly better", 0.0)
    assert headline(found).startswith(
        "Stay with cross_entropy: no loss is better on this split by more than the margin"
    )
    assert "was found slightly better than cross_entropy at look 1" in sentences(found)[0]


def test_what_a_smaller_family_decided_does_not_stand_in_a_larger_one(tmp_path: Path) -> None:
    folder = add(tmp_path / "study", CLEAR)
    assert compare_runs(folder).paired["power"].verdict == "better"
    add(folder, [0.02], first=7)
    add(folder, [0.01, -0.01] * 4, loss="cosine")
    found = compare_runs(folder)
    assert (found.paired["power"].look, found.paired["power"].verdict, found.standing) == (2, "undecided", {})


def equal_losses(folder: Path, arms: int, n: int = 8) -> Path:
    """Losses of which some look better by chance: their differences come from a table of sines."""
    from math import sin

    make_arm(folder, "cross_entropy", [0.8] * n)
    for k in range(arms):
        scores = [0.8 + 0.01 * sin(1 + 7.3 * seed * (k + 1)) + 0.0045 * (k % 4) for seed in range(n)]
        make_arm(folder, f"loss{k}", scores)
    return folder


def words(found: Comparison) -> dict[str, tuple[Any, ...]]:
    pairs = found.paired.items()
    return {label: (pair.verdict, pair.p_adjusted, pair.low, pair.high, pair.look) for label, pair in pairs}


@pytest.mark.parametrize("reported_first", [True, False])
def test_narrowing_a_report_changes_no_word(tmp_path: Path, reported_first: bool) -> None:
    folder = equal_losses(tmp_path / "study", 15)
    if reported_first:
        compare_runs(folder)
    few = [next(folder.glob(f"*-{loss}-*")) for loss in ("cross_entropy", "loss3", "loss7")]
    narrow = compare_runs(*few)
    assert (set(narrow.paired), narrow.family) == ({"loss3", "loss7"}, 15)
    (folder / "journal.jsonl").unlink()
    whole = words(compare_runs(folder))
    assert words(narrow) == {label: whole[label] for label in narrow.paired}
    # By themselves they would have been better.
    shutil.copytree(few[0], tmp_path / "alone" / few[0].name)
    shutil.copytree(few[1], tmp_path / "alone" / few[1].name)
    alone = compare_runs(tmp_path / "alone").paired["loss3"]
    assert alone.low > narrow.paired["loss3"].low


def test_arms_that_were_planned_and_are_not_there_count(tmp_path: Path) -> None:
    folder = add(tmp_path / "study", CLEAR)
    base = next(iter(compare_runs(folder).runs)).done_result.hash[:16]
    before = compare_runs(folder).paired["power"].low
    entry = {"what": "plan", "arms": {name: {} for name in (base, *(f"{k:016d}" for k in range(9)))}}
    from lossbench.report.journal import append

    append(folder, entry)
    found = compare_runs(folder)
    assert found.family == 10
    assert found.paired["power"].low < before


@pytest.mark.parametrize("change_it", [lambda path: path.unlink(), lambda path: path.write_text("")])
def test_a_journal_that_was_deleted_is_said(tmp_path: Path, change_it: Callable[[Path], object]) -> None:
    folder = add(tmp_path / "study", CLEAR)
    head = compare_runs(folder).head
    (folder / "reports" / "x").mkdir(parents=True)
    write(folder / "reports" / "x" / "journal.json", {"journal": head})
    assert compare_runs(folder).doubts == []
    change_it(folder / "journal.jsonl")
    assert "deleted, cut or edited" in compare_runs(folder).doubts[0]


def test_a_score_that_was_changed_is_another_look(tmp_path: Path) -> None:
    folder = add(tmp_path / "study", CLEAR)
    compare_runs(folder)
    path = next(folder.glob("*-power-*/seed0")) / "result.json"
    change(path, metrics=json.loads(path.read_text())["metrics"] | {"test/accuracy": 0.6})
    assert compare_runs(folder).paired["power"].look == 2
