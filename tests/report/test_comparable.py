"""Which runs one report compares, and which get a report of their own."""

from pathlib import Path

import pytest
from made_runs import change, make_arm, make_run, read

from lossbench.errors import UserError
from lossbench.report.comparable import read_done
from lossbench.report.sets import comparable_sets

BASE = [0.80, 0.82, 0.84, 0.86, 0.88, 0.90]


@pytest.fixture
def study(tmp_path: Path) -> Path:
    make_arm(tmp_path / "study", "cross_entropy", BASE)
    make_arm(tmp_path / "study", "power", [score + 0.01 for score in BASE])
    return tmp_path / "study"


def test_runs_are_split_into_those_that_can_be_compared(study: Path) -> None:
    failed, other = (
        make_run(study, "cosine", state="failed"),
        make_arm(study / "other", "power", [0.5], settings={"loss.q": 1}),
    )
    change(other[0] / "result.json", fingerprint="0" * 16)
    groups = comparable_sets(read(study))
    assert sorted(len(group) for group in groups.values()) == [2, 13]
    assert len(groups) == 2
    assert all(group[-1].path == failed for group in groups.values())
    assert comparable_sets([run for run in read(study) if run.result is None]) == {}


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({"model.name": "cnn", "model._target_": "my.CNN"}, {"mlp", "cnn"}),
        ({"trainer.max_epochs": 5}, {"max_epochs=30", "max_epochs=5"}),
        ({"data.batch_size": 7, "model.hidden": [3]}, {"batch_size=64 hidden=[128]", "batch_size=7 hidden=[3]"}),
        ({"augment._target_": "lossbench.data.augment.Augment"}, {"no augment", "Augment"}),
        ({"callbacks.ema._target_": "my.EMA", "optimizer.lr": 0.1}, {"no ema", "EMA"}),
        ({"optimizer.lr": 0.1}, {""}),
        ({"optimizer.name": "sgd", "optimizer._target_": "torch.optim.SGD", "scheduler.name": "cosine"}, {""}),
        ({"head._target_": "my.Head", "yardsticks.power.name": "power"}, {""}),
        ({"loss.q": 0.5, "data.num_workers": 4}, {""}),
    ],
)
def test_what_is_not_compared_has_a_report_of_its_own(
    study: Path, settings: dict[str, object], names: set[str]
) -> None:
    for loss in ("cross_entropy", "power"):
        make_arm(study, loss, [0.7, 0.8], settings=settings)
    groups = comparable_sets(read(study))
    assert set(groups) == names
    assert sorted(map(len, groups.values())) == ([16] if names == {""} else [4, 12])


def test_runs_on_other_data_are_told_by_its_name(study: Path) -> None:
    for path in make_arm(study, "power", [0.7, 0.8], settings={"data.name": "toy", "trainer.max_epochs": 5}):
        change(path / "result.json", fingerprint="0" * 16)
    groups = comparable_sets(read(study))
    assert set(groups) == {"digits max_epochs=30", "toy max_epochs=5"}


def test_a_run_without_a_result_goes_with_the_others_of_its_setting(study: Path) -> None:
    make_arm(study, "power", [0.7, 0.8], settings={"trainer.max_epochs": 5})
    theirs = make_run(study, "power", 9, settings={"trainer.max_epochs": 5}, state="running")
    ours = make_run(study, "power", 9, state="failed")
    strange = make_run(study, "cosine", 9, state="failed")
    missing = {
        name: {run.path for run in group if run.result is None} for name, group in comparable_sets(read(study)).items()
    }
    assert missing == {"max_epochs=30": {ours, strange}, "max_epochs=5": {theirs, strange}}


def test_trials_are_left_out_and_said(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trial, count = {"settings": {"trial": True}, "kind": "replicate"}, {"n": {"val": 359}}
    make_run(study, "power", 0, **trial, result=count)
    make_run(study, "power", 1, **trial, state="failed", status={"trial": True})
    assert len(read_done([study])) == 12
    line = f"2 trials of {study}: trials are never tested, so they are not compared; hydra/sweeper=tuned compares "
    assert capsys.readouterr().out == f"{line}tuned losses\n"
    other, judged = study.with_name("S.trials"), study.with_name("S.tuned")
    make_run(other, "power", 0, **trial, result=count)
    judged.mkdir()
    with pytest.raises(UserError, match=rf"^1 trial of {other}: .*; lossbench report {judged} judges them$"):
        read_done([other])


@pytest.mark.parametrize(("facts", "reports"), [({"groups": 7}, 1), ({}, 2)])
def test_replicates_that_keep_groups_whole_may_differ_in_size(tmp_path: Path, facts: dict, reports: int) -> None:
    for replicate, (val, test) in enumerate(((20, 20), (31, 12))):
        for loss in ("cross_entropy", "power"):
            found = {"replicate": replicate, "folds": 5, "pool": 100, "n": {"val": val, "test": test}, **facts}
            make_run(tmp_path / "study", loss, replicate, result=found, kind="replicate")
    assert len(comparable_sets(read(tmp_path / "study"))) == reports
