"""What a report of a fair fight calls better and worse: tuned, at the defaults, at an edge; and the twin."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from made_runs import change, make_run
from made_tuned import DEFAULT, fight_of, make_tuned, peak

from lossbench.errors import UserError
from lossbench.report.journal import append
from lossbench.report.spec import ComparisonSpec
from lossbench.report.tuned.comparison import find_fair_fight
from lossbench.report.tuned.curves import crossings, phases
from lossbench.report.tuned.report import compare_tuned
from lossbench.report.tuned.sentences import about_trials
from lossbench.report.tuned.verdict_table import tuned_table
from lossbench.tuning.study import read_one

REPLICATES = range(10)
BASE = {"cross_entropy": peak(at=0.03)}


def test_a_better_loss_is_better_tuned_and_one_that_only_likes_the_default_is_not(tmp_path: Path) -> None:
    losses = {**BASE, "power": peak(0.98, at=0.03), "focal": peak(0.9, at=DEFAULT)}
    compared = compare_tuned(make_tuned(tmp_path, losses, trials=16, replicates=REPLICATES))
    assert compared.verdicts == {"power": "better", "focal": "equivalent", "cross_entropy (twin)": "equivalent"}
    assert compared.verdicts_at_the_defaults["focal"] == "better"
    assert compared.headline.startswith(
        "Train with power: it is better than cross_entropy on new data of this kind, +8"
    )
    assert "Untuned, at the defaults, the answer was another one: focal better (+1" in compared.headline
    assert not compared.fight.control_failed


def test_what_is_slight_at_the_defaults_is_called_so_in_the_table(tmp_path: Path) -> None:
    fight = find_fair_fight(make_tuned(tmp_path, {**BASE, "power": peak()}, replicates=REPLICATES))
    pair = replace(fight.defaults.paired["power"], verdict="better", qualifier="slightly better")
    slight = replace(fight, defaults=replace(fight.defaults, paired={"power": pair}))
    (row,) = (row for row in tuned_table(slight).rows if row[0] == "power")
    assert row[3].startswith("▲ slightly better\n")


def test_a_twin_that_differs_is_the_first_thing_that_is_said(tmp_path: Path) -> None:
    tuned = make_tuned(tmp_path, {**BASE, "power": peak(0.9)}, replicates=REPLICATES, twin=peak(0.97))
    compared = compare_tuned(tuned)
    assert compared.verdicts["cross_entropy (twin)"] == "better"
    assert compared.headline.startswith("This study's error control failed: the twin of cross_entropy")
    assert compared.caveats[0].startswith("This study's error control failed: cross_entropy (twin) is cross_entropy")
    assert "Train with cross_entropy (twin)" not in compared.headline


def test_a_loss_at_the_edge_of_its_range_is_not_called_worse_now_or_later(tmp_path: Path) -> None:
    tuned = make_tuned(tmp_path, {**BASE, "power": peak(0.9, at=30.0)}, trials=16, replicates=REPLICATES)
    compared = compare_tuned(tuned)
    pair = compared.comparison.paired["power"]
    assert (pair.verdict, pair.qualifier, pair.high < 0) == ("undecided", None, True)
    assert "range too narrow" in next(row for row in compared.table.rows if row[0] == "power")[1]
    assert "search.lr=[0.0001,10]" in compared.caveats[0]
    assert "; a range that was searched was too narrow to call it worse" in compared.sentences[0]
    looks = [json.loads(line) for line in (tuned.study / "journal.jsonl").read_text().splitlines()]
    assert "worse" not in [arm["verdict"] for look in looks for arm in look.get("arms", {}).values()]


def test_no_loss_is_better_than_a_baseline_at_the_edge_of_its_range(tmp_path: Path) -> None:
    losses = {"cross_entropy": peak(0.9, at=30.0), "power": peak(0.9)}
    compared = compare_tuned(make_tuned(tmp_path, losses, trials=16, replicates=REPLICATES))
    assert compared.verdicts["power"] == "undecided"
    assert compared.comparison.paired["power"].low > 0
    assert "no loss is called better than it" in " ".join(compared.caveats)


def test_the_default_that_diverges_counts_and_the_curve_shows_where_losses_cross(tmp_path: Path) -> None:
    def fragile(rate: float, replicate: int) -> float | None:
        return None if rate == DEFAULT else peak(0.96)(rate, replicate)

    fight = fight_of(tmp_path, {**BASE, "power": fragile}, trials=16, replicates=REPLICATES)
    assert len(fight.defaults.diverged["power"]) == len(REPLICATES)
    assert "power" not in fight.comparison.diverged
    curve = fight.curves["power"]
    assert [after.n for after in curve] == [1, 2, 4, 8, 16]
    assert (phases(curve)[0].side, phases(curve)[-1].side) == ("behind", "ahead of")
    assert len(crossings(curve)) == 1
    assert "power is behind cross_entropy at the defaults" in about_trials(fight)[0]


def test_equal_losses_cross_by_chance_and_that_is_not_said(tmp_path: Path) -> None:
    fight = fight_of(tmp_path, {**BASE, "power": peak(0.9, noise=0.02)}, replicates=REPLICATES)
    assert crossings(fight.curves["power"]) == []
    assert about_trials(fight) == ["power is not told apart from cross_entropy after any number of trials."]


def test_only_equivalent_losses_are_level(tmp_path: Path) -> None:
    same = fight_of(tmp_path, {**BASE, "power": peak(0.9, noise=0.0)} | {"cross_entropy": peak(0.9, noise=0.0)})
    assert about_trials(same) == ["power is level with cross_entropy after any number of trials."]


def test_nothing_is_judged_while_a_refit_is_still_to_be_done(tmp_path: Path) -> None:
    tuned = make_tuned(tmp_path, {**BASE, "power": peak(0.98)}, replicates=REPLICATES)
    for path in tuned.study.glob("digits-mlp-power-*/replicate3"):
        path.rename(tmp_path / path.parent.name)
    compared = compare_tuned(tuned)
    assert compared.headline.startswith("Not judged yet: ")
    assert compared.verdicts["power"] == "undecided"
    assert not (tuned.study / "journal.jsonl").exists()


def test_a_refit_that_failed_is_named_and_the_others_are_judged(tmp_path: Path) -> None:
    tuned = make_tuned(tmp_path, {**BASE, "power": peak(0.98)}, replicates=REPLICATES)
    folder = tuned.winners[3].rows["power"].refit_after(8)
    run = tuned.study / folder / "replicate3"
    (run / "result.json").unlink()
    change(run / "status.json", status="failed", reason="the disk is full")
    compared = compare_tuned(tuned)
    assert compared.comparison.unfinished == {"power": [3]}
    assert compared.comparison.paired["power"].n == len(REPLICATES) - 1
    assert "1 of 10 runs of power failed for another reason" in " ".join(compared.caveats)


def test_another_metric_is_another_look_and_the_report_says_what_chose(tmp_path: Path) -> None:
    tuned = make_tuned(tmp_path, {**BASE, "power": peak(0.98)}, replicates=REPLICATES)
    compare_tuned(tuned)
    again = compare_tuned(tuned, ComparisonSpec(metric="test/nll_scaled"))
    assert again.comparison.metric == "test/nll_scaled"
    assert "Settings were chosen by val/accuracy, so test/nll_scaled may be better at others." in again.caveats
    assert again.comparison.questions == 2


def test_a_later_look_makes_no_difference_between_the_defaults_and_the_tuned(tmp_path: Path) -> None:
    flat = {loss: peak(best, width=100.0) for loss, best in {"cross_entropy": 0.9, "power": 0.94}.items()}
    tuned = make_tuned(tmp_path, flat, replicates=range(8))
    assert compare_tuned(tuned).verdicts_at_the_defaults["power"] == "better"
    again = compare_tuned(tuned, ComparisonSpec(margin=0.02))
    assert again.comparison.paired["power"].look == 2
    assert (again.verdicts["power"], again.verdicts_at_the_defaults["power"]) == ("undecided", "undecided")
    assert "the answer was another one" not in again.headline
    assert "after any number of trials" in about_trials(again.fight)[0]


def test_a_study_without_winners_or_refits_is_one_line(tmp_path: Path) -> None:
    tuned = make_tuned(tmp_path, {**BASE, "power": peak(0.98)}, replicates=())
    with pytest.raises(UserError, match="no replicate has all its trials yet"):
        find_fair_fight(tuned)


def test_a_loss_that_no_trial_could_train_is_named(tmp_path: Path) -> None:
    compared = compare_tuned(make_tuned(tmp_path, {**BASE, "power": lambda _, __: None}))
    assert "Every trial of power diverged in 6 of 6 replicates, where its default was tested" in compared.caveats[0]


def test_where_every_refit_diverged_one_line_says_so(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"all 12 refits diverged, .*search other ranges"):
        fight_of(tmp_path, {"cross_entropy": lambda _, __: None})


def test_a_replicate_whose_trials_failed_is_named_once(tmp_path: Path) -> None:
    tuned = make_tuned(tmp_path, {**BASE, "power": peak(0.98)}, replicates=REPLICATES)
    (tuned.folder / "winners" / "replicate4.json").unlink()
    compared = compare_tuned(read_one(tuned.folder))
    said = [caveat for caveat in compared.caveats if "failed" in caveat]
    assert len(said) == 1
    assert "Trials of replicate 4 failed for another reason than divergence" in said[0]
    assert compared.verdicts["power"] == "better"


def test_a_replicate_that_was_added_and_has_no_winners_is_named_too(tmp_path: Path) -> None:
    tuned = make_tuned(tmp_path, {**BASE, "power": peak(0.98)}, replicates=REPLICATES)
    arms = {row.digest[:16]: {"loss": row.loss, "units": [0, 1, 17]} for row in tuned.plan.rows}
    append(tuned.study, {"what": "plan", "plan": tuned.plan.hash, "arms": arms})
    append(tuned.study, {"what": "plan", "plan": "of another", "arms": {"x": {"loss": "mse", "units": [18]}}})
    assert "Trials of replicate 17 failed" in " ".join(compare_tuned(tuned).caveats)


def test_nothing_is_judged_while_a_trial_is_still_to_be_done(tmp_path: Path) -> None:
    tuned = make_tuned(tmp_path, {**BASE, "power": peak(0.98)}, replicates=REPLICATES)
    (tuned.folder / "winners" / "replicate4.json").unlink()
    make_run(tuned.trials, "power", 4, kind="replicate", state="planned")
    compared = compare_tuned(read_one(tuned.folder))
    assert compared.headline.startswith("Not judged yet: 1 run of this comparison is still to be done")
    assert compared.verdicts["power"] == "undecided"


def test_a_verdict_of_one_plan_is_none_of_another_one_but_a_look(tmp_path: Path) -> None:
    better = make_tuned(tmp_path, {**BASE, "power": peak(0.98)}, replicates=REPLICATES)
    assert compare_tuned(better).verdicts["power"] == "better"
    child = make_tuned(tmp_path, {**BASE, "power": peak(0.91, noise=0.03)}, trials=16, replicates=REPLICATES)
    compared = compare_tuned(child)
    pair = compared.comparison.paired["power"]
    assert (pair.verdict, pair.mean > 0, pair.low < 0) == ("undecided", True, True)
    assert (pair.look, compared.comparison.standing, compared.comparison.questions) == (2, {}, 2)
    assert compare_tuned(better).comparison.paired["power"].look == 1
