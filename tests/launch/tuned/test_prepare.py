"""A fair fight before anything is written: its rows, their spaces, its plan, and what it says of itself."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import ROOT
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode

from lossbench.config.composition import groups
from lossbench.config.overrides import readable
from lossbench.config.resolve import accept
from lossbench.launch.outlook.way import Way
from lossbench.launch.tuned.fight import Fight
from lossbench.launch.tuned.prepare import prepared
from lossbench.launch.tuned.record import record_plan
from lossbench.report.spec import ComparisonSpec

DIGITS = ("data=digits", "model=linear", "trainer.max_epochs=1")
Prepare = Callable[..., Fight]


@pytest.fixture
def prepare(tmp_path: Path) -> Iterator[Prepare]:
    """Check a command as the sweeper does."""
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        loader = GlobalHydra.instance().config_loader()

        def check(*words: str, spec: ComparisonSpec | None = None) -> Fight:
            typed = readable([*DIGITS, f"runs_dir={tmp_path}", *words], groups(), multirun=True)
            master = loader.load_configuration("train", typed, RunMode.MULTIRUN, from_shell=False)
            params = {"replicate": "range(12)"}
            return prepared(params, typed, loader, master, spec or ComparisonSpec(), accept, Way())[0]

        yield check


def rows(fight: Fight) -> dict[str, list[str]]:
    return {row.name: [each.key for each in row.space.dimensions] for row in fight.plan.rows}


def test_settings_of_a_loss_are_rows_too_and_the_twin_is_the_last(prepare: Prepare) -> None:
    fight = prepare("loss=focal", "loss.gamma=0,2", spec=ComparisonSpec("focal gamma=0"))
    assert [*rows(fight)] == ["focal gamma=0", "focal gamma=2", "focal gamma=0 (twin)"]
    assert [row.overrides for row in fight.plan.rows][1] == ("loss.gamma=2",)
    headed = prepare("loss=cross_entropy,cosface")  # one brings a head, which its name says
    assert [*rows(headed)] == ["cross_entropy", "cosface", "cross_entropy (twin)"]
    assert (fight.plan.baseline, fight.plan.trials, fight.replicates) == ("focal gamma=0", 16, tuple(range(12)))


def test_the_same_losses_in_another_order_are_the_same_rows(prepare: Prepare) -> None:
    record_plan(prepare("loss=cross_entropy,power"))
    again = prepare("loss=power,cross_entropy", "replicate=range(15)")
    names = ["cross_entropy", "power", "cross_entropy (twin)"]
    assert [entry.row.name for entry in again.entries] == [row.name for row in again.plan.rows] == names


def test_own_numbers_enter_once_or_twice(prepare: Prepare) -> None:
    lr, gamma = "optimizer.lr", "loss.gamma"
    published = prepare("loss=cross_entropy,focal")
    assert rows(published) == {"cross_entropy": [lr], "focal": [lr], "cross_entropy (twin)": [lr]}
    tuned = prepare("loss=cross_entropy,focal", "search.own=tuned")
    assert rows(tuned) == {"cross_entropy": [lr], "focal": [lr, gamma], "cross_entropy (twin)": [lr]}
    both = prepare("loss=cross_entropy,focal", "search.own=both")
    assert [*rows(both)] == ["cross_entropy", "focal", "focal, own numbers tuned", "cross_entropy (twin)"]
    digests = {row.name: row.digest for row in both.plan.rows}
    assert len({*digests.values()}) == 4
    assert digests["focal"] == published.plan.row("focal").digest
    assert digests["focal, own numbers tuned"] == tuned.plan.row("focal").digest


def test_an_arm_is_the_same_in_every_plan_about_the_same_data_and_model(prepare: Prepare) -> None:
    words = ("loss=cross_entropy,focal",)
    first = prepare(*words).plan
    others = [prepare(*words, word).plan for word in ("trials=8", "search.lr=[0.01,0.1]", "trainer.max_epochs=2")]
    for other in others:
        assert other.hash != first.hash
        assert [row.digest for row in other.rows] == [row.digest for row in first.rows]
    wide = prepare(*words, "model=mlp").plan
    assert {row.digest for row in wide.rows}.isdisjoint(row.digest for row in first.rows)
    more = prepare(*words, "replicate=range(30)").plan
    assert (more.hash, more.replicates) == (first.hash, tuple(range(30)))


def test_shared_coordinates_are_those_of_all_rows_and_the_twin_has_others(prepare: Prepare) -> None:
    fight = prepare("loss=cross_entropy,focal", "search.own=tuned", "replicate=4")
    rates: dict[str, list[float]] = {}
    for trial in fight.trials(fight.replicates):
        rates.setdefault(trial.row, []).append(trial.settings["optimizer.lr"])
    assert rates["cross_entropy"] == rates["focal"]
    assert rates["cross_entropy"][0] == rates["cross_entropy (twin)"][0] == 0.003  # the declared default
    assert {*rates["cross_entropy"][1:]}.isdisjoint(rates["cross_entropy (twin)"][1:])


def test_trials_are_light_unless_it_is_typed_and_refits_are_whole(prepare: Prepare) -> None:
    fight = prepare("loss=cross_entropy", "logger=csv", "figures=true")
    trial = fight.compose(fight.trials([0])[0].job)
    assert (trial["study"], trial["trial"]) == ("default.trials", True)
    assert (trial["keep_checkpoints"], trial["save_predictions"]) == ("none", False)
    assert ([*trial["logger"]], trial["figures"]) == (["csv"], True)
    refit = fight.compose(fight.refits(0, "cross_entropy", {3: {"optimizer.lr": 0.5}})[0].job)
    assert (refit["study"], refit["trial"], refit["optimizer"]["lr"]) == ("default.tuned", False, 0.5)
    assert (refit["keep_checkpoints"], refit["save_predictions"]) == ("all", "auto")


def test_a_budget_chooses_trials_and_replicates(prepare: Prepare) -> None:
    short, long = prepare("loss=cross_entropy", "budget=20").plan, prepare("loss=cross_entropy", "budget=600").plan
    assert short.trials >= 8
    assert len(short.replicates) >= 6
    assert (long.trials, len(long.replicates)) > (short.trials, len(short.replicates))
    assert (short.budget, short.replicates[0]) == (20.0, 0)


def test_a_budget_is_spent_as_it_was_chosen_first(prepare: Prepare) -> None:
    """Also where other figures of speed are known by then."""
    first = prepare("loss=cross_entropy", "budget=600")
    record_plan(replace(first, plan=replace(first.plan, trials=40, replicates=(0, 1, 2))))
    again = prepare("loss=cross_entropy", "budget=600")
    assert (again.plan.trials, again.replicates) == (40, (0, 1, 2))
    longer = prepare("loss=cross_entropy", "budget=601", "study=other")
    assert (longer.plan.trials, longer.replicates) == (first.plan.trials, first.replicates)
