"""plan.json and winners: read back as they were written; written once; what was damaged or edited is one line."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lossbench.errors import UserError
from lossbench.tuning.dimension import Dimension
from lossbench.tuning.files import SEAL, hash_of
from lossbench.tuning.plan import TWIN, Plan, Row
from lossbench.tuning.spaces import Space
from lossbench.tuning.study import Tuned, plan_path, read_tuned, winners_folder
from lossbench.tuning.winners import RowWinners, Trial, Winners, best_after, edges_of, file_name

RATE = Dimension("optimizer.lr", 1e-4, 1.0, "log", "wide")


def row_of(loss: str, scramble: str = "") -> Row:
    name = f"{loss} (twin)" if scramble else loss
    return Row(name, loss, (f"loss={loss}",), Space((RATE,)), {RATE.key: 0.003}, scramble, hash_of({"name": name}))


PLAN = Plan(
    rows=(row_of("cross_entropy"), row_of("power"), row_of("cross_entropy", TWIN)),
    baseline="cross_entropy",
    metric="test/accuracy",
    monitor="val/accuracy",
    margin=0.01,
    trials=3,
    steps=480,
    shared={"fingerprint": "abc", "trainer.max_epochs": 30},
    data="digits",
    model="mlp",
    replicates=(0, 1),
)


def winners_of(replicate: int) -> Winners:
    trials = tuple(
        Trial(k, {RATE.key: 0.001 * k}, None if k == 3 else 0.9, 0.3, "diverged" if k == 3 else "done", "a/b", 480, 1.5)
        for k in (1, 2, 3)
    )
    row = RowWinners(trials, {1: 1, 2: 1, 3: 1}, {}, {1: "digits-mlp-power-12345678"})
    return Winners(PLAN.hash, replicate, {each.name: row for each in PLAN.rows})


@pytest.fixture
def study(tmp_path: Path) -> Path:
    folder = tmp_path / "s.tuned" / "plans" / PLAN.folder
    PLAN.write(plan_path(folder))
    for replicate in (10, 2):
        winners_of(replicate).write(winners_folder(folder) / file_name(replicate))
    return tmp_path / "s.tuned"


def test_a_plan_and_its_winners_are_read_as_they_were_written(study: Path) -> None:
    (found,) = read_tuned(study)
    assert found == Tuned(study / "plans" / PLAN.folder, PLAN, {2: winners_of(2), 10: winners_of(10)})
    assert [*found.winners] == [2, 10]
    assert (found.study, found.trials) == (study, study.with_name("s.trials"))
    assert found.winners[2].rows["power"].refit_after(3) == "digits-mlp-power-12345678"


def test_the_hash_is_of_the_question_alone() -> None:
    assert replace(PLAN, replicates=(0, 1, 2), parent="ab", budget=3.0).hash == PLAN.hash
    others = [
        replace(PLAN, trials=4),
        replace(PLAN, margin=None),
        replace(PLAN, baseline="power"),
        replace(PLAN, shared={**PLAN.shared, "trainer.max_epochs": 31}),
        replace(PLAN, rows=PLAN.rows[:2]),
        replace(PLAN, rows=(replace(PLAN.rows[0], space=Space((replace(RATE, high=2.0),))), *PLAN.rows[1:])),
    ]
    assert len({PLAN.hash, *(each.hash for each in others)}) == 1 + len(others)


def test_what_is_written_stays(study: Path) -> None:
    path = winners_folder(study / "plans" / PLAN.folder) / file_name(2)
    before = path.read_bytes()
    replace(winners_of(2), plan="another").write(path)
    assert path.read_bytes() == before
    assert [*path.parent.glob(".*")] == []


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def edit(change: Callable[[dict[str, Any]], object], *, seal: bool = False) -> Callable[[Path], None]:
    """Change the values of a file; with a seal also its hash, as somebody would who knows of it."""

    def edit_file(path: Path) -> None:
        found = json.loads(path.read_text())
        change(found)
        if seal:
            found[SEAL] = hash_of({key: value for key, value in found.items() if key != SEAL})
        path.write_text(json.dumps(found))

    return edit_file


def trial_2(found: dict[str, Any]) -> dict[str, Any]:
    return found["rows"]["power"]["trials"][1]


@pytest.mark.parametrize(
    ("name", "damage", "words"),
    [
        ("plan.json", cut, "cannot be read"),
        ("plan.json", edit(lambda found: found.update(trials=2)), "was edited"),
        ("plan.json", edit(lambda found: found.update(trials=2), seal=True), "was edited"),
        ("plan.json", edit(lambda found: found.pop("margin")), "lacks margin"),
        ("plan.json", edit(lambda found: found.update(trials="many")), "expected a whole number as trials"),
        ("plan.json", edit(lambda found: found["rows"][0]["space"].pop("own"), seal=True), "is damaged"),
        ("winners/replicate2.json", cut, "cannot be read"),
        ("winners/replicate2.json", edit(lambda found: found["rows"]["power"]["best_after"].update({"3": 2})), "was"),
        ("winners/replicate2.json", edit(lambda found: found.update(replicate=3), seal=True), "was edited"),
        ("winners/replicate2.json", edit(lambda found: found.update(plan="ab"), seal=True), "is not of the plan"),
        ("winners/replicate2.json", edit(lambda found: found["rows"].pop("power"), seal=True), "is not of the plan"),
        ("winners/replicate2.json", edit(lambda found: trial_2(found).update(score=0.95), seal=True), "another choice"),
        ("winners/replicate2.json", edit(lambda found: trial_2(found).update(nll=0.2), seal=True), "another choice"),
    ],
)
def test_damage_is_one_line_with_the_path(study: Path, name: str, damage: Callable[[Path], None], words: str) -> None:
    path = study / "plans" / PLAN.folder / name
    damage(path)
    with pytest.raises(UserError, match=words) as error:
        read_tuned(study)
    assert str(path) in str(error.value)


def test_the_best_of_the_first_trials_by_score_then_nll_then_number() -> None:
    scores, nll = [0.5, None, 0.7, 0.7, 0.7, 0.6], [0.1, None, 0.4, 0.3, 0.3, 0.0]
    assert best_after(scores, nll, higher_is_better=True) == {1: 1, 2: 1, 4: 4, 6: 4}
    assert best_after(scores, nll, higher_is_better=False) == {1: 1, 2: 1, 4: 1, 6: 1}
    assert best_after([None, None, 0.1], [None] * 3, higher_is_better=True) == {1: 1, 2: 1, 3: 3}


def test_edges_are_the_outer_parts_of_ranges() -> None:
    places = {3e-4: {}, 1.2e-4: {RATE.key: "low"}, 0.9: {RATE.key: "high"}, 5.0: {RATE.key: "high"}}
    assert {rate: edges_of(Space((RATE,)), {RATE.key: rate}) for rate in places} == places
